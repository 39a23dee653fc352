/**
 * Takes datagrams from the kernel apart: messages, and the attributes in them. A length that leads outside what was
 * received is an error with its place; unknown attributes are left alone. Numbers are little-endian (see writer.ts).
 */

export const HEADER_BYTES = 16;
const NLA_TYPE_MASK = 0x3fff;

const decoder = new TextDecoder();

/** What came from the kernel can't be read. */
export class NetlinkFormatError extends Error {
  override readonly name = 'NetlinkFormatError';
}

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** What follows the header. */
  readonly body: Uint8Array;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @throws NetlinkFormatError when a message's length is impossible. */
export function splitMessages(datagram: Uint8Array): Message[] {
  const view = viewOf(datagram);
  const messages: Message[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= datagram.length) {
    const length = view.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > datagram.length) {
      throw new NetlinkFormatError(`netlink message of ${length} bytes at ${at} of a datagram of ${datagram.length}`);
    }
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: datagram.subarray(at + HEADER_BYTES, at + length),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

/** The attributes of one level, by type; of several with one type the last counts. */
export class Attributes {
  readonly #values: ReadonlyMap<number, Uint8Array>;

  private constructor(values: ReadonlyMap<number, Uint8Array>) {
    this.#values = values;
  }

  /** @throws NetlinkFormatError when an attribute's length is impossible. */
  static parse(bytes: Uint8Array, start = 0): Attributes {
    const view = viewOf(bytes);
    const values = new Map<number, Uint8Array>();
    let at = start;
    while (at + 4 <= bytes.length) {
      const length = view.getUint16(at, true);
      if (length < 4 || at + length > bytes.length) {
        throw new NetlinkFormatError(`netlink attribute of ${length} bytes at ${at} of ${bytes.length}`);
      }
      values.set(view.getUint16(at + 2, true) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + length));
      at += (length + 3) & ~3;
    }
    return new Attributes(values);
  }

  bytes(type: number): Uint8Array | undefined {
    return this.#values.get(type);
  }

  u8(type: number): number | undefined {
    return this.#sized(type, 1)?.getUint8(0);
  }

  u32(type: number): number | undefined {
    return this.#sized(type, 4)?.getUint32(0, true);
  }

  /** Up to the first NUL. */
  text(type: number): string | undefined {
    const value = this.#values.get(type);
    if (value === undefined) return undefined;
    const end = value.indexOf(0);
    return decoder.decode(end < 0 ? value : value.subarray(0, end));
  }

  nested(type: number): Attributes | undefined {
    const value = this.#values.get(type);
    return value && Attributes.parse(value);
  }

  #sized(type: number, size: number): DataView | undefined {
    const value = this.#values.get(type);
    if (value === undefined) return undefined;
    if (value.length < size) throw new NetlinkFormatError(`netlink attribute ${type} has ${value.length} bytes`);
    return viewOf(value);
  }
}

/** The fixed header that begins a body, at least `size` bytes. @throws NetlinkFormatError when it is shorter. */
export function fixedHeader(message: Message, size: number): DataView {
  if (message.body.length < size) {
    throw new NetlinkFormatError(`netlink message type ${message.type} has a body of ${message.body.length} bytes`);
  }
  return viewOf(message.body);
}
