/** The part of vitest's `expect` that the tests of the guest use. A matcher that is not here is a TypeError: loud. */
import { inspect } from 'node:util';
import { equals, isSubset } from './equality.ts';

interface Asymmetric {
  asymmetricMatch(value: unknown): boolean;
}

export interface Matchers {
  readonly not: Matchers;
  readonly rejects: Rejects;
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toMatchObject(expected: unknown): void;
  toContain(expected: unknown): void;
  toContainEqual(expected: unknown): void;
  toHaveLength(expected: number): void;
  toMatch(expected: RegExp | string): void;
  toThrow(expected?: Thrown): void;
  toBeInstanceOf(type: Constructor): void;
  toBeUndefined(): void;
  toBeGreaterThan(expected: number | bigint): void;
  toBeGreaterThanOrEqual(expected: number | bigint): void;
  toBeLessThan(expected: number | bigint): void;
  toBeLessThanOrEqual(expected: number | bigint): void;
}

/** The same for what a promise is rejected with. */
export interface Rejects {
  toThrow(expected?: Thrown): Promise<void>;
  toBeInstanceOf(type: Constructor): Promise<void>;
  toMatchObject(expected: unknown): Promise<void>;
}

type Constructor = abstract new (...args: never[]) => unknown;
type Thrown = string | RegExp | Constructor | Asymmetric;
type Check = (actual: unknown, expected: never) => boolean;

const CHECKS: Readonly<Record<string, Check>> = {
  toBe: (actual, expected) => Object.is(actual, expected),
  toEqual: (actual, expected) => equals(actual, expected),
  toMatchObject: (actual, expected) => isSubset(actual, expected),
  toContain: (actual, expected) =>
    typeof actual === 'string' ? actual.includes(expected) : [...(actual as Iterable<unknown>)].includes(expected),
  toContainEqual: (actual, expected) => [...(actual as Iterable<unknown>)].some((item) => equals(item, expected)),
  toHaveLength: (actual, expected) => (actual as { length: number }).length === expected,
  toMatch: (actual, expected) => matchesText(String(actual), expected),
  toThrow: (actual, expected) => thrownMatches(outcomeOf(actual as () => unknown), expected),
  toBeInstanceOf: (actual, expected) => actual instanceof (expected as Constructor),
  toBeUndefined: (actual) => actual === undefined,
  toBeGreaterThan: (actual, expected) => (actual as number) > expected,
  toBeGreaterThanOrEqual: (actual, expected) => (actual as number) >= expected,
  toBeLessThan: (actual, expected) => (actual as number) < expected,
  toBeLessThanOrEqual: (actual, expected) => (actual as number) <= expected,
};

function matchesText(text: string, expected: RegExp | string): boolean {
  return typeof expected === 'string' ? text.includes(expected) : expected.test(text);
}

/** What a function throws, in a box; undefined when it throws nothing. */
function outcomeOf(run: () => unknown): { readonly error: unknown } | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return { error };
  }
}

function thrownMatches(outcome: { readonly error: unknown } | undefined, expected: Thrown | undefined): boolean {
  if (outcome === undefined) return false;
  if (expected === undefined) return true;
  if (typeof expected === 'function') return outcome.error instanceof expected;
  if (typeof expected === 'object' && 'asymmetricMatch' in expected) return expected.asymmetricMatch(outcome.error);
  return matchesText(outcome.error instanceof Error ? outcome.error.message : String(outcome.error), expected);
}

async function rejectionOf(promise: Promise<unknown>): Promise<{ readonly error: unknown } | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
}

function rethrowing(outcome: { readonly error: unknown } | undefined): () => void {
  return () => {
    if (outcome !== undefined) throw outcome.error;
  };
}

function matchersFor(actual: unknown, message: string | undefined, isNegated: boolean): Matchers {
  const fail = (name: string, expected: unknown): never => {
    const prefix = message === undefined ? '' : `${message}: `;
    const relation = `${isNegated ? 'not.' : ''}${name}`;
    throw new Error(`${prefix}${shown(actual)} ${relation} ${shown(expected)}`);
  };
  const methods = Object.entries(CHECKS).map(([name, check]) => [
    name,
    (expected: unknown) => {
      if (check(actual, expected as never) === isNegated) fail(name, expected);
    },
  ]);
  const rejects = Object.entries(CHECKS).map(([name, check]) => [
    name,
    async (expected: unknown) => {
      const outcome = await rejectionOf(actual as Promise<unknown>);
      const subject = name === 'toThrow' ? rethrowing(outcome) : outcome?.error;
      if (outcome === undefined || !check(subject, expected as never)) fail(`rejects.${name}`, expected);
    },
  ]);
  return {
    ...Object.fromEntries(methods),
    rejects: Object.fromEntries(rejects),
    get not(): Matchers {
      return matchersFor(actual, message, !isNegated);
    },
  } as Record<string, unknown> & Matchers;
}

function shown(value: unknown): string {
  return inspect(value, { depth: 4, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 64, maxStringLength: 400 });
}

export interface Expect {
  (actual: unknown, message?: string): Matchers;
  unreachable(message?: string): never;
  stringMatching(expected: RegExp | string): Asymmetric;
  stringContaining(expected: string): Asymmetric;
  arrayContaining(expected: readonly unknown[]): Asymmetric;
  objectContaining(expected: object): Asymmetric;
}

/** Throws an Error that shows both sides when what is expected does not hold. */
export const expect: Expect = Object.assign(
  (actual: unknown, message?: string) => matchersFor(actual, message, false),
  {
    unreachable: (message = 'this line is not to be reached'): never => {
      throw new Error(message);
    },
    stringMatching: (expected: RegExp | string) => ({
      asymmetricMatch: (value: unknown) => typeof value === 'string' && matchesText(value, expected),
    }),
    stringContaining: (expected: string) => ({
      asymmetricMatch: (value: unknown) => typeof value === 'string' && value.includes(expected),
    }),
    arrayContaining: (expected: readonly unknown[]) => ({
      asymmetricMatch: (value: unknown) =>
        Array.isArray(value) && expected.every((item) => value.some((one) => equals(one, item))),
    }),
    objectContaining: (expected: object) => ({
      asymmetricMatch: (value: unknown) =>
        typeof value === 'object' &&
        value !== null &&
        Object.entries(expected).every(([name, member]) => name in value && equals(Reflect.get(value, name), member)),
    }),
  },
);
