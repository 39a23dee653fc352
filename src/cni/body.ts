/**
 * What the launcher sends, and what it leaves in the DEL journal: the CNI_* variables as NAME=VALUE, each ended by a
 * NUL, one more NUL, then the network configuration as it came on stdin.
 */
import { CniCode, CniError } from './error.ts';

export interface CniBody {
  readonly environment: ReadonlyMap<string, string>;
  /** The network configuration, not yet parsed. */
  readonly config: Uint8Array;
}

/** Bytes that are not UTF-8 in a variable become U+FFFD; of a variable that is there twice the first counts. */
export function decodeBody(body: Uint8Array): CniBody {
  const environment = new Map<string, string>();
  const decoder = new TextDecoder();
  let from = 0;
  while (from < body.length) {
    const end = body.indexOf(0, from);
    if (end < 0) break;
    if (end === from) return { environment, config: body.subarray(from + 1) };
    const entry = decoder.decode(body.subarray(from, end));
    const equals = entry.indexOf('=');
    const name = entry.slice(0, equals);
    if (equals > 0 && !environment.has(name)) environment.set(name, entry.slice(equals + 1));
    from = end + 1;
  }
  throw new CniError(
    CniCode.badRequest,
    `the environment in the request is not ended by an empty string (${body.length} bytes)`,
    'are sluice-cni and the agent of the same version?',
  );
}
