/**
 * A policy test as a file says it: documents of kind PolicyTest beside the Kubernetes objects they are about. Form and
 * meaning are in docs/policy-tests.md.
 */
import { dirname, resolve, relative } from 'node:path';
import type { RawObject } from '../../cluster/manifests/parse-manifest.ts';
import type { ObjectProblem } from '../../cluster/source.ts';
import { Report } from '../../policy/problem.ts';
import { checkFields } from '../../policy/validate-field.ts';
import { expectObject, field, type Place, quote, readList, readString } from '../../policy/validate-place.ts';

export interface Expectation {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly verdict: 'allow' | 'deny';
  /** Why it is to be so; shown when it is not. */
  readonly because: string;
  readonly line: number | undefined;
}

export interface PolicyTest {
  readonly file: string;
  readonly name: string;
  /** Manifests besides the objects in the test file, as paths from the working directory. */
  readonly files: readonly string[];
  readonly expectations: readonly Expectation[];
  readonly problems: readonly ObjectProblem[];
}

const POLICY_TEST = { apiVersion: 'sluice/v1', kind: 'PolicyTest' } as const;
/** Expectations that the lists of one entry may make together. */
const EXPANDED_MAX = 10_000;

export function isPolicyTest({ reference }: RawObject): boolean {
  return reference.kind === POLICY_TEST.kind;
}

export function readPolicyTest(file: string, raw: RawObject): PolicyTest {
  const report = new Report();
  const root: Place = { path: '', value: raw.fields, report };
  checkFields(root, ['apiVersion', 'kind', 'metadata', 'files', 'expect'], { name: 'put it below metadata' });
  if (raw.reference.apiVersion !== POLICY_TEST.apiVersion) {
    report.error('apiVersion', `is ${quote(raw.reference.apiVersion)}`, `write ${POLICY_TEST.apiVersion}`);
  }
  const files = readList(field(root, 'files')).flatMap((place) => readString(place) ?? []);
  const entries = readList(field(root, 'expect'));
  if (entries.length === 0) report.error('expect', 'is missing or empty: the test expects nothing');
  const expectations = entries.flatMap((place) => readExpectations(place, raw));
  const problems = report.problems().map(({ path, message, hint, severity }): ObjectProblem => ({
    severity,
    object: raw.reference,
    file,
    place: raw.place(path),
    path,
    message,
    hint: hint ?? '',
  }));
  const base = dirname(file);
  return {
    file,
    name: raw.reference.name,
    files: files.map((path) => relative('.', resolve(base, path)) || '.'),
    expectations,
    problems,
  };
}

/** One entry may list several ends and ports: each with each. */
function readExpectations(place: Place, raw: RawObject): readonly Expectation[] {
  if (!expectObject(place)) return [];
  const { report } = place;
  checkFields(place, ['from', 'to', 'port', 'verdict', 'because'], {
    allow: 'write verdict: allow',
    deny: 'write verdict: deny',
    ports: 'did you mean "port"? It may be a list',
    protocol: 'write it behind the port: 53/UDP',
  });
  const from = readWords(place, 'from');
  const to = readWords(place, 'to');
  const port = readWords(place, 'port');
  const because = readString(field(place, 'because')) ?? '';
  const verdict = readVerdict(place);
  if (from.length * to.length * port.length > EXPANDED_MAX) {
    report.error(place.path, `stands for more than EXPANDED_MAX, ${EXPANDED_MAX}, expectations`);
    return [];
  }
  if (verdict === undefined) return [];
  const line = raw.place(place.path)?.line;
  return from.flatMap((source) =>
    to.flatMap((destination) =>
      port.map((number) => ({ from: source, to: destination, port: number, verdict, because, line })),
    ),
  );
}

function readVerdict(place: Place): 'allow' | 'deny' | undefined {
  const at = field(place, 'verdict');
  if (at === undefined) place.report.error(`${place.path}.verdict`, 'is missing', 'write allow or deny');
  if (at === undefined || at.value === 'allow' || at.value === 'deny') return at?.value as 'allow' | 'deny' | undefined;
  place.report.error(at.path, 'must be allow or deny');
  return undefined;
}

/** A word, a number, or a list of them. */
function readWords(place: Place, name: string): readonly string[] {
  const at = field(place, name);
  if (at === undefined) {
    place.report.error(`${place.path}.${name}`, 'is missing');
    return [];
  }
  const items = Array.isArray(at.value) ? readList(at) : [at];
  if (items.length === 0) at.report.error(at.path, 'is empty: nothing would be expected');
  return items.flatMap((item) => (typeof item.value === 'number' ? [`${item.value}`] : (readString(item) ?? [])));
}
