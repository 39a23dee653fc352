/**
 * Writes the body of a netlink message: fixed headers, then attributes, each aligned to 4 bytes. Numbers are in the
 * machine's order, which is little-endian on every machine that Sluice runs on; `Be` marks network order.
 */

const INITIAL_BYTES = 256;
const ATTRIBUTE_BYTES_MAX = 0xffff;
const NLA_F_NESTED = 0x8000;

const encoder = new TextEncoder();

/** Chainable. An attribute whose value is undefined is left out. */
export class MessageWriter {
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(INITIAL_BYTES);
  #view: DataView = new DataView(this.#buffer.buffer);
  #length = 0;
  readonly #open: number[] = [];

  u8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#buffer.set(value, at);
    return this;
  }

  attribute(type: number, value: Uint8Array | undefined): this {
    if (value === undefined) return this;
    const length = 4 + value.length;
    if (length > ATTRIBUTE_BYTES_MAX) throw new RangeError(`netlink attribute ${type} has ${value.length} bytes`);
    return this.u16(length).u16(type).bytes(value).#align();
  }

  attributeU8(type: number, value: number | undefined): this {
    return value === undefined ? this : this.attribute(type, Uint8Array.of(value));
  }

  attributeU32(type: number, value: number | undefined): this {
    if (value === undefined) return this;
    return this.u16(8).u16(type).u32(value);
  }

  /** UTF-8 with a closing NUL. */
  attributeText(type: number, value: string | undefined): this {
    return value === undefined ? this : this.attribute(type, encoder.encode(`${value}\0`));
  }

  /** Opens an attribute that holds what is written until `end`. */
  nest(type: number): this {
    this.#open.push(this.#length);
    return this.u16(0).u16(type | NLA_F_NESTED);
  }

  end(): this {
    const start = this.#open.pop();
    if (start === undefined) throw new Error('netlink: end without nest');
    const length = this.#length - start;
    if (length > ATTRIBUTE_BYTES_MAX) throw new RangeError(`nested netlink attribute has ${length} bytes`);
    this.#view.setUint16(start, length, true);
    return this.#align();
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    if (this.#open.length > 0) throw new Error('netlink: nest without end');
    return this.#buffer.slice(0, this.#length);
  }

  #align(): this {
    this.#grow(-this.#length & 3);
    return this;
  }

  /** Makes room for `size` zero bytes and returns where they begin. */
  #grow(size: number): number {
    const at = this.#length;
    const needed = at + size;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, at));
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return at;
  }
}
