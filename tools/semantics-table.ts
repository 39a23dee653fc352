/**
 * Which test holds which rule: the table at the end of docs/policy-semantics.md, made from the titles of the tests. Fails when
 * a rule has neither a test nor a reason; with --check also when the table names a test that is not there, or lacks a rule.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const DOC = join(ROOT, 'docs/policy-semantics.md');
const BEGIN = '<!-- made by tools/semantics-table.ts -->\n';
const END = '<!-- prettier-ignore-end -->\n';
/** Tests named for one rule. */
const TITLES_MAX = 3;

/** Numbers of the rules, by series; both ends inclusive. */
const SERIES = {
  NP: ['1-16', '20-29', '40-52', '60-67', '80-88', '100-108', '120-126'],
  CNP: ['1-8', '20-30', '40-43'],
} as const;

/** Rules without a test of their own, and why. */
const REASONS: Readonly<Record<string, string>> = {
  'NP-15': 'allows what is less strict than Sluice: a policy is in force with the next compile',
  'NP-65': 'not defined; Sluice judges the address that the packet has at the pod’s interface',
  'NP-87':
    'what was translated to a node’s address is judged as that address: see NP-82 and `test/netns/routing-masquerade.test.ts`',
  'CNP-42': 'about `domainNames`, which is not enforced (CNP-8, CNP-41)',
  'CNP-43': 'about `domainNames`, which is not enforced (CNP-8, CNP-41)',
};

interface NamedTest {
  readonly title: string;
  readonly file: string;
}

function ruleIds(): readonly string[] {
  return Object.entries(SERIES).flatMap(([series, ranges]) =>
    ranges.flatMap((range) => {
      const [first = 0, last = 0] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => `${series}-${first + i}`);
    }),
  );
}

/** A title that begins with numbers and a colon, or ends with one number in brackets. */
const TITLES = [
  /(['"`])((?:(?:NP|CNP|SVC)-\d+)(?:(?:, | to | and )(?:NP|CNP|SVC)-\d+)*): ((?:(?!\1)[^\n])+)\1/g,
  /(['"`])(?=[^'"`\n]*\(((?:NP|CNP)-\d+)\)\1)([^'"`\n]+) \([^'"`\n]*\1/g,
] as const;

/** By rule. */
function namedTests(): ReadonlyMap<string, readonly NamedTest[]> {
  const byRule = new Map<string, NamedTest[]>();
  for (const file of globSync('test/**/*.test.ts', { cwd: ROOT }).sort()) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const pattern of TITLES) {
      for (const [, , rules = '', rest = ''] of text.matchAll(pattern)) {
        const title = rest.replaceAll(/\$\{[^}]*\}|%[sj]/g, '…').trim();
        for (const rule of expand(rules)) byRule.set(rule, [...(byRule.get(rule) ?? []), { title, file }]);
      }
    }
  }
  return byRule;
}

/** `NP-45 to NP-48` names every rule between. */
function expand(text: string): readonly string[] {
  return text.split(/, | and /).flatMap((part) => {
    const [from = '', to] = part.split(' to ');
    if (to === undefined) return [from];
    const [series = '', number] = from.split('-');
    const first = Number(number);
    const last = Number(to.split('-')[1]);
    return Array.from({ length: last - first + 1 }, (_, i) => `${series}-${first + i}`);
  });
}

function missingRules(tests: ReturnType<typeof namedTests>): readonly string[] {
  return ruleIds().filter((rule) => !tests.has(rule) && REASONS[rule] === undefined);
}

function rowOf(rule: string, own: readonly NamedTest[]): string {
  if (own.length === 0) return `| ${rule} | no test: ${REASONS[rule]} |`;
  const titles = own.slice(0, TITLES_MAX).map(entryOf);
  const more = own.length > TITLES_MAX ? [`and ${own.length - TITLES_MAX} more`] : [];
  return `| ${rule} | ${[...titles, ...more].join('; ')} |`;
}

function entryOf({ title, file }: NamedTest): string {
  return `${escape(title)} (\`${file.slice('test/'.length)}\`)`;
}

function escape(text: string): string {
  return text.replaceAll('\\', '').replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

/** What the table in the document says that is not so. */
function* untruths(table: string, tests: ReturnType<typeof namedTests>): Generator<string> {
  for (const rule of ruleIds()) {
    const row = table.split('\n').find((line) => line.startsWith(`| ${rule} |`));
    const known = (tests.get(rule) ?? []).map(entryOf);
    if (row === undefined) yield `${rule} has no row`;
    else if (known.length > 0 && !known.some((entry) => row.includes(entry)))
      yield `${rule} names no test that is there`;
  }
}

const before = readFileSync(DOC, 'utf8');
const at = before.indexOf(BEGIN);
if (at < 0) throw new Error(`docs/policy-semantics.md has no line ${BEGIN.trim()}`);
const tests = namedTests();
const missing = missingRules(tests);
if (missing.length > 0) throw new Error(`no test is named after ${missing.join(', ')}`);
if (process.argv.includes('--check')) {
  const wrong = [...untruths(before.slice(at), tests)];
  if (wrong.length > 0) throw new Error(`docs/policy-semantics.md: ${wrong.join(', ')}; make docs mends it`);
} else {
  const rows = ruleIds().map((rule) => rowOf(rule, tests.get(rule) ?? []));
  const table = ['', '| rule | tests, in `test/` |', '| --- | --- |', ...rows, '', END].join('\n');
  writeFileSync(DOC, before.slice(0, at + BEGIN.length) + table);
}
