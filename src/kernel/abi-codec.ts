/** What the generated codecs have in common. Values that do not fit are refused with the name of their field. */

/** @throws RangeError unless value is an integer from low to high. */
export function inRange(field: string, value: number, low: number, high: number): number {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new RangeError(`${field}: ${value} is not an integer from ${low} to ${high}`);
  }
  return value;
}

/** @throws RangeError unless value fits 64 bits. */
export function unsigned64(field: string, value: bigint): bigint {
  if (BigInt.asUintN(64, value) !== value) throw new RangeError(`${field}: ${value} does not fit 64 bits`);
  return value;
}

/** @throws RangeError unless value fits 64 bits with the sign. */
export function signed64(field: string, value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${field}: ${value} does not fit 64 bits`);
  return value;
}

/**
 * Writes exactly `length` bytes; without `bytes`, zeros.
 * @throws RangeError when there are more or fewer.
 */
export function putBytes(view: DataView, offset: number, length: number, field: string, bytes?: Uint8Array): void {
  const target = new Uint8Array(view.buffer, view.byteOffset + offset, length);
  if (bytes === undefined) {
    target.fill(0);
    return;
  }
  if (bytes.length !== length) throw new RangeError(`${field}: ${bytes.length} bytes where ${length} belong`);
  target.set(bytes);
}

/** A copy of `length` bytes. */
export function getBytes(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
}

/**
 * Writes exactly `length` elements of `width` bytes through `put`.
 * @throws RangeError when there are more or fewer.
 */
export function putNumbers<T>(
  offset: number,
  width: number,
  length: number,
  field: string,
  values: readonly T[],
  put: (position: number, value: T) => void,
): void {
  if (values.length !== length) throw new RangeError(`${field}: ${values.length} elements where ${length} belong`);
  values.forEach((value, index) => {
    put(offset + index * width, value);
  });
}

/** Reads `length` elements of `width` bytes. */
export function getNumbers<T>(offset: number, width: number, length: number, get: (position: number) => T): T[] {
  return Array.from({ length }, (_, index) => get(offset + index * width));
}
