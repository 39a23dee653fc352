/** Bytes of an answer -> text, bounded. */
import { ApiError } from './api-error.ts';

const NEWLINE = 0x0a;

/**
 * The lines of a body without their ends, empty ones left out.
 * @throws ApiError `protocol` when a line has more than `bytesMax`, `network` when the body ends in the middle of one.
 */
export async function* readLines(body: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      parts.push(chunk.subarray(from, at));
      length += at - from;
      from = at + 1;
      if (length > bytesMax) throw tooLong(bytesMax);
      if (length > 0) yield Buffer.concat(parts, length).toString('utf8');
      parts = [];
      length = 0;
    }
    parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > bytesMax) throw tooLong(bytesMax);
  }
  if (length > 0) throw new ApiError('network', 'the watch was closed in the middle of an event');
}

function tooLong(bytesMax: number): ApiError {
  return new ApiError('protocol', `an event of the watch has more than LINE_BYTES_MAX, ${bytesMax} bytes`);
}

/**
 * The whole body.
 * @throws ApiError `protocol` when it has more than `bytesMax`.
 */
export async function readText(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    parts.push(chunk);
    length += chunk.length;
    if (length > bytesMax) throw new ApiError('protocol', `an answer has more than ${bytesMax} bytes`);
  }
  return Buffer.concat(parts, length).toString('utf8');
}

/** The start of a body, up to `bytesMax`; what follows is left unread. */
export async function readStart(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    parts.push(chunk);
    length += chunk.length;
    if (length >= bytesMax) break;
  }
  return Buffer.concat(parts).subarray(0, bytesMax).toString('utf8');
}
