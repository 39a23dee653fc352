/** Equality as vitest's toEqual and toMatchObject have it, for the values that the tests of the guest compare. */

type Fields = Readonly<Record<string, unknown>>;
type Compare = (actual: unknown, expected: unknown) => boolean;

const PLAIN = '[object Object]';

/** Deep; members that are undefined are as good as missing; what has `asymmetricMatch` decides for itself. */
export function equals(actual: unknown, expected: unknown): boolean {
  return compare(actual, expected, equals, (a, b) => {
    if (kindOf(a) !== kindOf(b)) return false;
    const names = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...names].every((name) => equals(a[name], b[name]));
  });
}

/** As equals, but where a plain object is expected one of any class will do, with more members, at any depth. */
export function isSubset(actual: unknown, expected: unknown): boolean {
  return compare(actual, expected, isSubset, (a, b) => {
    if (kindOf(b) !== PLAIN && kindOf(a) !== kindOf(b)) return false;
    return Object.keys(b).every((name) => name in a && isSubset(a[name], b[name]));
  });
}

function compare(
  actual: unknown,
  expected: unknown,
  inner: Compare,
  members: (a: Fields, b: Fields) => boolean,
): boolean {
  if (isAsymmetric(expected)) return expected.asymmetricMatch(actual);
  if (Object.is(actual, expected)) return true;
  if (typeof actual !== 'object' || typeof expected !== 'object' || actual === null || expected === null) return false;
  // Two errors are equal to vitest when name, message and cause are; here only an error itself is.
  if (expected instanceof Error) return false;
  if (isSequence(expected)) {
    if (!isSequence(actual) || kindOf(actual) !== kindOf(expected)) return false;
    return actual.length === expected.length && Array.from(actual).every((item, i) => inner(item, expected[i]));
  }
  if (actual instanceof Map && expected instanceof Map) {
    return actual.size === expected.size && [...expected].every(([key, value]) => inner(actual.get(key), value));
  }
  if (actual instanceof Set && expected instanceof Set) {
    return actual.size === expected.size && [...expected].every((item) => actual.has(item));
  }
  return members(actual as Fields, expected as Fields);
}

/** A Buffer is not equal to a Uint8Array of the same bytes. */
function kindOf(value: object): string {
  return Buffer.isBuffer(value) ? 'Buffer' : Object.prototype.toString.call(value);
}

function isSequence(value: object): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function isAsymmetric(value: unknown): value is { asymmetricMatch(value: unknown): boolean } {
  return typeof value === 'object' && value !== null && 'asymmetricMatch' in value;
}
