/**
 * `sluice lint`: what is wrong, doubtful or without effect. Exit code 1 when there is a finding that is more than an
 * information. Input that is wrong is a finding, too.
 */
import type { LoadedCluster } from '../cluster/manifests/load-cluster.ts';
import { formatReference, type ObjectProblem, type TextPlace } from '../cluster/source.ts';
import { DryRun } from '../policy/dry-run.ts';
import { clusterPolicyName, isClusterPolicyKey } from '../policy/explain-tiers.ts';
import { lintPolicies } from '../policy/lint.ts';
import { LINT_RULES, type LintFinding, type LintId } from '../policy/lint-rules.ts';
import { isRecord } from '../policy/validate-place.ts';
import { EXIT_NO, endWith } from './support/exit-code.ts';
import type { Finding } from './support/finding.ts';
import { type InputOptions, loadInput } from './support/input.ts';
import { lintServices } from './support/lint-services.ts';
import { count, indent, paint, print, printData, readFormat } from './support/output.ts';
import { sarifLog } from './support/sarif.ts';

export interface LintOptions extends InputOptions {
  readonly output: string;
}

interface PlacedFinding {
  readonly finding: Finding;
  readonly place: TextPlace | undefined;
}

/** On a policy: ids of rules that are not to be told of it, separated by commas. */
const IGNORE_ANNOTATION = 'sluice/lint-ignore';

export async function runLint(options: LintOptions): Promise<void> {
  const format = readFormat(options.output, ['table', 'json', 'yaml', 'sarif']);
  const cluster = await loadInput(options);
  const { placed, ignored } = findAll(cluster);
  const findings = placed.map(({ finding }) => finding);
  switch (format) {
    case 'table':
      print(formatFindings(placed, ignored, cluster));
      break;
    case 'sarif':
      print(JSON.stringify(sarifLog(findings), undefined, 2));
      break;
    case 'json':
    case 'yaml':
      printData(format, { findings, ignored });
  }
  if (findings.some(({ severity }) => severity !== 'info')) endWith(EXIT_NO);
}

function findAll(cluster: LoadedCluster): { readonly placed: readonly PlacedFinding[]; readonly ignored: number } {
  const dryRun = new DryRun(cluster.changes);
  const sourceOf = (policy: string): ReturnType<LoadedCluster['sources']['get']> =>
    cluster.sources.get(objectOf(policy));
  const found = lintPolicies({
    dryRun,
    services: lintServices(cluster),
    raw: ({ namespace, name }) => sourceOf(`${namespace}/${name}`)?.fields,
    isMadeUp: (podKey) => cluster.madeUp.has(podKey),
  });
  const kept = found.filter(({ policy, id }) => !ignoredRules(sourceOf(policy)?.fields).has(id));
  const placed = [...cluster.problems.map(fromProblem), ...kept.map((finding) => fromFinding(finding, cluster))];
  return { placed: placed.toSorted(byPlace), ignored: found.length - kept.length };
}

/** `NetworkPolicy shop/web`. */
function objectOf(policy: string): string {
  return isClusterPolicyKey(policy) ? `ClusterNetworkPolicy ${clusterPolicyName(policy)}` : `NetworkPolicy ${policy}`;
}

function ignoredRules(fields: Readonly<Record<string, unknown>> | undefined): ReadonlySet<string> {
  const metadata = fields?.['metadata'];
  const annotations = isRecord(metadata) ? metadata['annotations'] : undefined;
  const text = isRecord(annotations) ? annotations[IGNORE_ANNOTATION] : undefined;
  return new Set(typeof text === 'string' ? text.split(',').map((word) => word.trim()) : []);
}

/** Validation has its own words; here they get a number. */
function fromProblem(problem: ObjectProblem): PlacedFinding {
  const { object, file, place, path, message, hint } = problem;
  const id = idOf(problem);
  const what = object === undefined ? '' : formatReference(object);
  return { finding: finding(id, { object: what, path, message, hint, file, place }), place };
}

function idOf({ severity, message, path }: ObjectProblem): LintId {
  if (/is not (enforced|read)$/.test(message)) return 'SL003';
  if (severity === 'error') return 'SL001';
  return /^spec\.(ingress|egress)$/.test(path) && message.startsWith('has no effect') ? 'SL031' : 'SL002';
}

function fromFinding({ id, policy, path, message, hint }: LintFinding, cluster: LoadedCluster): PlacedFinding {
  const source = cluster.sources.get(objectOf(policy));
  const place = source?.place(path);
  return {
    finding: finding(id, { object: objectOf(policy), path, message, hint, file: source?.file, place }),
    place,
  };
}

function finding(
  id: LintId,
  fields: Pick<Finding, 'object' | 'path' | 'message' | 'hint'> & {
    readonly file: string | undefined;
    readonly place: TextPlace | undefined;
  },
): Finding {
  const { name, severity } = LINT_RULES[id];
  const { object, path, message, hint, file, place } = fields;
  return {
    rule: id,
    name,
    severity,
    object,
    path,
    message,
    hint,
    file: file ?? null,
    line: place?.line ?? null,
    column: place?.column ?? null,
  };
}

function byPlace(a: PlacedFinding, b: PlacedFinding): number {
  const files = [a.finding.file ?? '', b.finding.file ?? ''] as const;
  if (files[0] !== files[1]) return files[0] < files[1] ? -1 : 1;
  return (a.finding.line ?? 0) - (b.finding.line ?? 0);
}

const COLOURS = { error: 'red', warning: 'yellow', info: 'cyan' } as const;

function formatFindings(placed: readonly PlacedFinding[], ignored: number, cluster: LoadedCluster): string {
  const lines = placed.flatMap(({ finding, place }) => {
    const { rule, severity, object, path, message, hint, file } = finding;
    const at = file === null ? '' : `${file}${place === undefined ? '' : `:${place.line}:${place.column}`}: `;
    const where = [object, path].filter((text) => text !== '').join(' ');
    const head = `${at}${paint(COLOURS[severity], severity)} ${rule}${where === '' ? '' : ` ${where}`}: ${message}`;
    const excerpt = place === undefined ? [] : [indent(place.excerpt, 4)];
    return [head, ...excerpt, ...(hint === '' ? [] : [`    ${hint}`]), ''];
  });
  const tally = (['error', 'warning', 'info'] as const)
    .map((severity) => ({ severity, times: placed.filter(({ finding }) => finding.severity === severity).length }))
    .filter(({ times }) => times > 0)
    .map(({ severity, times }) => count(times, severity));
  const policies = cluster.changes.filter(({ kind }) => kind.endsWith('NetworkPolicy')).length;
  const rest = ignored === 0 ? '' : `; ${count(ignored, 'finding')} ignored by ${IGNORE_ANNOTATION}`;
  const noPods = cluster.changes.some(({ kind }) => kind === 'Pod')
    ? ''
    : '\nnote: the input has no pods, so nothing is said of whom policies select';
  return `${lines.join('\n')}${lines.length > 0 ? '\n' : ''}${count(policies, 'policy', 'policies')}: ${tally.join(', ') || 'no findings'}${rest}${noPods}`;
}
