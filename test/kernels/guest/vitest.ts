/**
 * What `vitest` is in the guest: enough to run this repository's test files as they are, without the runner itself, which
 * takes longer to start under emulation than the tests take. Tests are collected when a file is imported, and run in order
 * by `runTests`.
 */
import { format } from 'node:util';

export { expect } from './expect.ts';

type Body = () => unknown;
type Row = readonly unknown[];
type Each = (rows: readonly unknown[]) => (name: string, body: (...row: never[]) => unknown) => void;

interface Suite {
  readonly name: string;
  readonly parent: Suite | undefined;
  readonly items: (Suite | Test)[];
  readonly hooks: Record<Hook, Body[]>;
}

interface Test {
  readonly name: string;
  readonly body: Body;
}

type Hook = 'beforeAll' | 'afterAll' | 'beforeEach' | 'afterEach';

export interface TestResult {
  /** Of the suites and the test, in order. */
  readonly path: readonly string[];
  /** undefined: passed. */
  readonly error: Error | undefined;
}

let current: Suite = newSuite('', undefined);
let onFailed: Body[] = [];

function newSuite(name: string, parent: Suite | undefined): Suite {
  return { name, parent, items: [], hooks: { beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] } };
}

function addSuite(name: string, body: Body): void {
  const outer = current;
  current = newSuite(name, outer);
  outer.items.push(current);
  body();
  current = outer;
}

function addTest(name: string, body: Body): void {
  current.items.push({ name, body });
}

/** As vitest has it: `%s` takes the elements of a row, `$name` its members. */
function eachOf(add: (name: string, body: Body) => void): Each {
  return (rows) => (name, body) => {
    for (const item of rows) {
      const row: Row = Array.isArray(item) ? item : [item];
      const places = name.match(/%[a-z]/g)?.length ?? 0;
      const title = format(name, ...row.slice(0, places)).replaceAll(/\$(\w+)/g, (text, member: string) =>
        typeof item === 'object' && item !== null && member in item ? String(Reflect.get(item, member)) : text,
      );
      add(title, () => body(...(row as never[])));
    }
  };
}

function hook(name: Hook): (body: Body) => void {
  return (body) => current.hooks[name].push(body);
}

export const describe: typeof addSuite & { each: Each } = Object.assign(addSuite, { each: eachOf(addSuite) });
export const test: typeof addTest & { each: Each } = Object.assign(addTest, { each: eachOf(addTest) });
export const beforeAll: (body: Body) => void = hook('beforeAll');
export const afterAll: (body: Body) => void = hook('afterAll');
export const beforeEach: (body: Body) => void = hook('beforeEach');
export const afterEach: (body: Body) => void = hook('afterEach');

export function onTestFailed(body: Body): void {
  onFailed.push(body);
}

/** Runs what the files imported since the last call have described. */
export async function* runTests(): AsyncGenerator<TestResult> {
  const root = current;
  current = newSuite('', undefined);
  yield* runSuite(root, []);
}

async function* runSuite(suite: Suite, outer: readonly string[]): AsyncGenerator<TestResult> {
  const path = suite.name === '' ? outer : [...outer, suite.name];
  const before = await attempt(suite.hooks.beforeAll);
  if (before !== undefined) yield { path: [...path, 'beforeAll'], error: before };
  for (const item of before === undefined ? suite.items : []) {
    if ('items' in item) yield* runSuite(item, path);
    else yield { path: [...path, item.name], error: await runTest(suite, item) };
  }
  const after = await attempt(suite.hooks.afterAll.toReversed());
  if (after !== undefined) yield { path: [...path, 'afterAll'], error: after };
}

async function runTest(suite: Suite, item: Test): Promise<Error | undefined> {
  const suites: Suite[] = [];
  for (let one: Suite | undefined = suite; one !== undefined; one = one.parent) suites.push(one);
  onFailed = [];
  const error = await attempt([...suites.toReversed().flatMap(({ hooks }) => hooks.beforeEach), item.body]);
  const after = await attempt(suites.flatMap(({ hooks }) => hooks.afterEach.toReversed()));
  const first = error ?? after;
  return first === undefined ? undefined : ((await attempt(onFailed)) ?? first);
}

/** The error of the first that fails; the rest is not run. */
async function attempt(bodies: readonly Body[]): Promise<Error | undefined> {
  try {
    for (const body of bodies) await body();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
