/**
 * `sluice test`: policy tests, each judged by the compiler. Exit code 1 when an expectation does not hold, 2 when a test
 * cannot be run as it stands.
 */
import { stripVTControlCharacters } from 'node:util';
import { entriesOf } from '../cluster/manifests/load-manifests.ts';
import { type LoadedCluster, loadCluster, type LoadOptions } from '../cluster/manifests/load-cluster.ts';
import { readManifestFile } from '../cluster/manifests/read-manifest-file.ts';
import { parseManifest, type RawObject } from '../cluster/manifests/parse-manifest.ts';
import { readParsed } from '../cluster/manifests/read-manifest.ts';
import type { ObjectProblem } from '../cluster/source.ts';
import { ConfigError, errorMessage } from '../lib/errors.ts';
import { DryRun } from '../policy/dry-run.ts';
import { ask, formatExplanation } from './explain.ts';
import { EXIT_INPUT, EXIT_NO, endWith } from './support/exit-code.ts';
import { viewParts } from './support/explanation.ts';
import { readFlowEnd } from './support/flow-end.ts';
import { portText, readPort } from './support/flow-port.ts';
import { liveChoiceOf, problemText, readPodCidrs, tellProblems } from './support/input.ts';
import { loadLiveCluster } from './support/live-cluster.ts';
import { junitXml, type JunitSuite } from './support/junit.ts';
import { count, indent, paint, print, printData, readFormat } from './support/output.ts';
import { type Expectation, isPolicyTest, type PolicyTest, readPolicyTest } from './support/policy-test.ts';

export interface TestOptions {
  readonly output: string;
  /** Manifests that every test gets besides its own. */
  readonly file?: readonly string[];
  /** Every test gets what the live cluster has besides its own. */
  readonly cluster?: boolean;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly podCidr?: readonly string[];
}

export interface ExpectationResult {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly expected: 'allow' | 'deny';
  /** null: it could not be judged. */
  readonly actual: 'allow' | 'deny' | 'mixed' | null;
  readonly passed: boolean;
  readonly because: string;
  readonly line: number | null;
  /** Why the verdict is as it is, where it is not as expected; what is wrong, where there is none. */
  readonly explanation: string;
}

export interface TestResult {
  readonly file: string;
  readonly name: string;
  /** What made the test unfit to run. */
  readonly error: string;
  readonly results: readonly ExpectationResult[];
}

export async function runTest(paths: readonly string[], options: TestOptions): Promise<void> {
  const format = readFormat(options.output, ['table', 'json', 'yaml', 'junit']);
  if (options.file?.includes('-') === true) throw new ConfigError('-f -: tests are given files and folders only');
  const live = liveChoiceOf(options);
  const more: LoadOptions = {
    podCidrs: readPodCidrs(options.podCidr ?? []),
    claim: (_, raw) => isPolicyTest(raw),
    ...(live !== undefined && { beneath: await loadLiveCluster(live) }),
  };
  const results: TestResult[] = [];
  for (const path of paths) {
    const tests = await findTests(path);
    if (tests.length === 0)
      throw new ConfigError(
        `${path} holds no document of kind PolicyTest; docs/policy-tests.md says how one is written`,
      );
    for (const test of tests) results.push(await runPolicyTest(test, options.file ?? [], more));
  }
  switch (format) {
    case 'table':
      print(formatResults(results));
      break;
    case 'junit':
      print(junitXml(results.map(suiteOf)));
      break;
    case 'json':
    case 'yaml':
      printData(format, { tests: results });
  }
  const all = results.flatMap((result) => result.results);
  if (all.some(({ passed, actual }) => !passed && actual !== null)) endWith(EXIT_NO);
  if (results.some(({ error }) => error !== '') || all.some(({ actual }) => actual === null)) endWith(EXIT_INPUT);
}

/** The tests in a file, or in the files of a folder; files of a folder without tests are passed over. */
async function findTests(path: string): Promise<readonly PolicyTest[]> {
  const tests: PolicyTest[] = [];
  for (const [file, entry] of await entriesOf(path)) {
    const raws: RawObject[] = [];
    const { content } = await readManifestFile(file, entry, (name, text) => {
      const parsed = parseManifest(name, text);
      raws.push(...parsed.objects.filter(isPolicyTest));
      return readParsed(name, { ...parsed, objects: [] });
    });
    if (content.complete) tests.push(...raws.map((raw) => readPolicyTest(file, raw)));
    else tests.push(unreadable(file, content.problems));
  }
  return tests;
}

function unreadable(file: string, problems: readonly ObjectProblem[]): PolicyTest {
  return { file, name: '', files: [], expectations: [], problems };
}

async function runPolicyTest(test: PolicyTest, files: readonly string[], more: LoadOptions): Promise<TestResult> {
  const { file, name } = test;
  const failed = (error: string): TestResult => ({ file, name, error, results: [] });
  const own = test.problems.filter(({ severity }) => severity === 'error');
  if (own.length > 0) return failed(own.map(problemText).join('\n'));
  let cluster: LoadedCluster;
  try {
    cluster = await loadCluster([file, ...test.files, ...files], [], more);
  } catch (error) {
    if (error instanceof ConfigError) return failed(error.message);
    throw error;
  }
  const errors = cluster.problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) return failed(errors.map(problemText).join('\n'));
  tellProblems(cluster.problems);
  const dryRun = new DryRun(cluster.changes);
  return {
    file,
    name,
    error: '',
    results: test.expectations.map((expectation) => judge(expectation, cluster, dryRun)),
  };
}

function judge(expectation: Expectation, cluster: LoadedCluster, dryRun: DryRun): ExpectationResult {
  const { from, to, port, verdict, because, line } = expectation;
  const base = { from, to, port, expected: verdict, because, line: line ?? null };
  try {
    const asked = readPort(port);
    const answer = ask(dryRun, readFlowEnd(from, cluster, dryRun), readFlowEnd(to, cluster, dryRun), asked);
    if (answer.verdict === verdict) return { ...base, actual: answer.verdict, passed: true, explanation: '' };
    const parts = viewParts(answer, dryRun, cluster);
    const explanation = formatExplanation({
      from,
      to,
      port: portText(asked),
      verdict: answer.verdict,
      parts,
      notes: [],
    });
    return { ...base, actual: answer.verdict, passed: false, explanation: stripVTControlCharacters(explanation) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { ...base, actual: null, passed: false, explanation: errorMessage(error) };
  }
}

function titleOf({ file, name }: TestResult): string {
  return name === '' ? file : `${file} ${name}`;
}

function caseName({ from, to, port, expected }: ExpectationResult): string {
  return `${from} -> ${to} on ${port}: ${expected}`;
}

function formatResults(results: readonly TestResult[]): string {
  const lines: string[] = [];
  for (const result of results) {
    const bad = result.results.filter(({ passed }) => !passed);
    const isWell = bad.length === 0 && result.error === '';
    const good = `${result.results.length - bad.length} of ${result.results.length}`;
    lines.push(
      `${isWell ? paint('green', 'ok  ') : paint('red', 'FAIL')} ${titleOf(result)} (${result.error === '' ? good : 'cannot be run'})`,
    );
    if (result.error !== '') lines.push(indent(result.error, 5));
    for (const item of bad) {
      lines.push(`     ${result.file}${item.line === null ? '' : `:${item.line}`}: expected ${caseName(item)}`);
      if (item.because !== '') lines.push(`       because ${item.because}`);
      lines.push(indent(item.explanation, 7));
    }
  }
  const all = results.flatMap((result) => result.results);
  const bad = all.filter(({ passed }) => !passed).length;
  const unfit = results.filter(({ error }) => error !== '').length;
  const summary = [`${count(all.length, 'expectation')} in ${count(results.length, 'test')}`, `${bad} not met`];
  if (unfit > 0) summary.push(`${count(unfit, 'test')} cannot be run`);
  return [...lines, '', bad + unfit === 0 ? `${summary[0]}, all met` : summary.join(', ')].join('\n');
}

function suiteOf(result: TestResult): JunitSuite {
  const classname = titleOf(result);
  const cases = result.results.map((item) => {
    if (item.passed) return { name: caseName(item), classname, trouble: undefined };
    const kind = item.actual === null ? ('error' as const) : ('failure' as const);
    const message = item.actual === null ? item.explanation : `expected ${item.expected}, is ${item.actual}`;
    return { name: caseName(item), classname, trouble: { kind, message, text: item.explanation } };
  });
  if (result.error === '') return { name: classname, file: result.file, cases };
  const trouble = { kind: 'error' as const, message: 'the test cannot be run', text: result.error };
  return { name: classname, file: result.file, cases: [{ name: 'input', classname, trouble }] };
}
