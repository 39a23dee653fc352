/** `sluice matrix`: who reaches whom on what, over the whole cluster. */
import { ConfigError } from '../lib/errors.ts';
import type { LoadedCluster } from '../cluster/manifests/load-cluster.ts';
import { buildMatrix, type Matrix } from '../policy/matrix.ts';
import { countPairs } from '../policy/pair-count.ts';
import { isSubject, type PodKey } from '../policy/pod-kind.ts';
import { matrixDot, matrixMermaid } from './render/matrix-diagram.ts';
import { matrixHtml } from './render/matrix-html.ts';
import { matrixCsv, matrixData, matrixMarkdown, matrixTable } from './render/matrix-text.ts';
import { type MatrixView, viewMatrix } from './render/matrix-view.ts';
import { matrixSvg } from './render/matrix-svg.ts';
import { type PairCountView, pairsMarkdown, pairsTable, viewPairs } from './render/pair-text.ts';
import { type InputOptions, readInput } from './support/input.ts';
import { count, orList, print } from './support/output.ts';
import { workloadNames } from './support/workload-names.ts';

export interface MatrixOptions extends InputOptions {
  readonly by: string;
  /** Only pods of these; empty: of all. */
  readonly namespace?: readonly string[] | undefined;
  readonly outside: boolean;
  readonly output: string;
}

/** Ends up to which a matrix is made: more cells than their square nobody reads. */
export const ENDS_MAX = 300;

const LEVELS = ['pod', 'workload', 'namespace'] as const;
type Level = (typeof LEVELS)[number];
/** All pods together: pairs are counted. */
const CLUSTER = 'cluster';

const FORMS: Readonly<Record<string, (view: MatrixView) => string>> = {
  table: matrixTable,
  json: (view) => JSON.stringify(matrixData(view), undefined, 2),
  markdown: matrixMarkdown,
  mermaid: matrixMermaid,
  dot: matrixDot,
  svg: matrixSvg,
  html: matrixHtml,
  csv: matrixCsv,
};

const COUNTS: Readonly<Record<string, (view: PairCountView) => string>> = {
  table: pairsTable,
  json: (view) => JSON.stringify(view, undefined, 2),
  markdown: pairsMarkdown,
};

export async function runMatrix(options: MatrixOptions): Promise<void> {
  if (options.by === CLUSTER) {
    await runCount(options);
    return;
  }
  const form = FORMS[options.output];
  if (!Object.hasOwn(FORMS, options.output) || form === undefined)
    throw new ConfigError(`--output ${JSON.stringify(options.output)}: use ${orList(Object.keys(FORMS))}`);
  const by = LEVELS.find((level) => level === options.by);
  if (by === undefined)
    throw new ConfigError(`--by ${JSON.stringify(options.by)}: use ${orList([...LEVELS, CLUSTER])}`);
  const cluster = await readInput(options);
  print(form(viewMatrix(askMatrix(cluster, by, options), by, notesOf(cluster))));
}

async function runCount(options: MatrixOptions): Promise<void> {
  const form = Object.hasOwn(COUNTS, options.output) ? COUNTS[options.output] : undefined;
  if (form === undefined) {
    throw new ConfigError(
      `--output ${JSON.stringify(options.output)}: with --by ${CLUSTER} use ${orList(Object.keys(COUNTS))}`,
    );
  }
  if (options.namespace !== undefined)
    throw new ConfigError(`--namespace: --by ${CLUSTER} counts the pods of every namespace`);
  const cluster = await readInput(options);
  const counted = countPairs(cluster.changes);
  if (counted.pods === 0) throw noPods('the input has');
  print(form(viewPairs(counted, notesOf(cluster))));
}

function noPods(where: string): ConfigError {
  return new ConfigError(`${where} no pods that policies could select: add the pods or workloads with -f`);
}

/** @throws ConfigError when there are no pods, or more ends than a matrix can hold. */
export function askMatrix(
  cluster: LoadedCluster,
  by: Level,
  { namespace, outside }: Pick<MatrixOptions, 'namespace' | 'outside'>,
): Matrix {
  const wanted = new Set(namespace ?? []);
  const nameOf = endNames(cluster, by);
  const endOf = (pod: PodKey): string | undefined => {
    return wanted.size === 0 || wanted.has(namespaceOf(pod)) ? nameOf(pod) : undefined;
  };
  const matrix = buildMatrix({ changes: cluster.changes, endOf, outside });
  const { length } = matrix.ends.filter(({ kind }) => kind === 'pods');
  if (length === 0) {
    const where = wanted.size === 0 ? 'the input has' : `namespace ${[...wanted].join(', ')} has`;
    throw noPods(where);
  }
  if (matrix.ends.length > ENDS_MAX) {
    const parts = `${count(length, by)} and ${count(matrix.ends.length - length, 'range')} outside`;
    throw new ConfigError(
      `${parts} are more than ENDS_MAX, ${ENDS_MAX}: ask with --by ${by === 'pod' ? 'workload' : by === 'workload' ? 'namespace' : CLUSTER}, for one --namespace, or with --no-outside`,
    );
  }
  return matrix;
}

function endNames(cluster: LoadedCluster, by: Level): (pod: PodKey) => string {
  switch (by) {
    case 'pod':
      return (pod) => pod;
    case 'namespace':
      return namespaceOf;
    case 'workload': {
      const names = workloadNames(cluster);
      return (pod) => names.get(pod) ?? pod;
    }
  }
}

function namespaceOf(pod: PodKey): string {
  return pod.slice(0, pod.indexOf('/'));
}

function notesOf(cluster: LoadedCluster): readonly string[] {
  let onNode = 0;
  for (const change of cluster.changes) {
    if (change.kind !== 'Pod' || change.op !== 'set') continue;
    if (!isSubject(change.object) && !change.object.terminal) onNode += 1;
  }
  if (onNode === 0) return cluster.notes;
  return [...cluster.notes, `${count(onNode, 'pod')} on the host's network left out: policies do not select them`];
}
