/**
 * `sluice compile`: the tables that a node's agent would write for these manifests, and what they cost. Pods that do not
 * run yet count as endpoints of their node. Exit code 2 when something would not fit.
 */
import { ConfigError } from '../lib/errors.ts';
import type { LoadedCluster } from '../cluster/manifests/load-cluster.ts';
import type { Pod } from '../policy/model.ts';
import { formatTables } from '../policy/table-text.ts';
import { EXIT_INPUT, endWith } from './support/exit-code.ts';
import { type InputOptions, readInput } from './support/input.ts';
import { compileNode, costOf, type NodeTables, policyCosts, type TableCost } from './support/node-tables.ts';
import { count, formatTable, markdownTable, print, printData, readFormat } from './support/output.ts';
import { viewTables } from './support/tables-view.ts';

export interface CompileOptions extends InputOptions {
  readonly node?: string;
  readonly output: string;
}

/** As printed with -o json for one node; docs/output.md. */
export interface NodeSummary {
  /** Empty: pods that no node has yet. */
  readonly node: string;
  readonly fits: boolean;
  readonly problems: readonly string[];
  readonly cost: TableCost;
}

/** How pods without a node are called. */
const NO_NODE = '(no node)';

export async function runCompile(options: CompileOptions): Promise<void> {
  const format = readFormat(options.output, ['table', 'json', 'yaml', 'markdown']);
  const cluster = await readInput(options);
  const pods = podsByNode(cluster);
  if (options.node !== undefined) {
    if (format === 'markdown')
      throw new ConfigError('--output "markdown": a single node is printed as table, json or yaml');
    if (!pods.has(options.node)) throw unknownNode(options.node, [...pods.keys()]);
    printNode(compileNode(cluster.changes, options.node, pods.get(options.node) ?? []), cluster, format);
    return;
  }
  const summaries = [...pods]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([node, own]) => summaryOf(compileNode(cluster.changes, node, own)));
  for (const { node, problems } of summaries) tellProblems(node, problems);
  if (summaries.some(({ fits }) => !fits)) endWith(EXIT_INPUT);
  if (format === 'json' || format === 'yaml') printData(format, { nodes: summaries, notes: cluster.notes });
  else print(formatSummaries(summaries, cluster, format));
}

function unknownNode(node: string, known: readonly string[]): ConfigError {
  const names = known.filter((name) => name !== '');
  const rest =
    names.length === 0 ? 'no Node object and no pod with a nodeName is in the input' : `there is ${names.join(', ')}`;
  return new ConfigError(`--node ${JSON.stringify(node)}: ${rest}`);
}

/** Every node that is there or that a pod names; under the empty name the pods that no node has yet. */
function podsByNode({ changes }: LoadedCluster): ReadonlyMap<string, readonly Pod[]> {
  const pods = new Map<string, Pod[]>();
  for (const change of changes) if (change.kind === 'Node' && change.op === 'set') pods.set(change.object.name, []);
  for (const change of changes) {
    if (change.kind !== 'Pod' || change.op !== 'set' || change.object.terminal || change.object.hostNetwork) continue;
    const own = pods.get(change.object.nodeName);
    if (own === undefined) pods.set(change.object.nodeName, [change.object]);
    else own.push(change.object);
  }
  return pods;
}

function summaryOf(tables: NodeTables): NodeSummary {
  const { node, result } = tables;
  const problems = problemsOf(tables);
  return {
    node,
    fits: tables.misfits.length === 0,
    problems: [...tables.misfits, ...problems],
    cost: costOf(result.tables),
  };
}

/** What the agent would say besides; unknown pods cannot be. */
function problemsOf({ result, glossary }: NodeTables): readonly string[] {
  return result.problems
    .filter(({ kind }) => kind === 'contested-address' || kind === 'unreadable')
    .map(({ message }) =>
      message.replaceAll(/\bendpoint (\d+)\b/g, (text, id) => nameOf(glossary, Number(id)) ?? text),
    );
}

function nameOf(glossary: NodeTables['glossary'], endpoint: number): string | undefined {
  const name = glossary.describeEndpoint?.(endpoint);
  return name && `pod ${name}`;
}

function tellProblems(node: string, problems: readonly string[]): void {
  for (const problem of problems) process.stderr.write(`node ${node || NO_NODE}: ${problem}\n`);
}

function printNode(tables: NodeTables, cluster: LoadedCluster, format: 'table' | 'json' | 'yaml'): void {
  const summary = summaryOf(tables);
  tellProblems(tables.node, summary.problems);
  if (!summary.fits) {
    throw new ConfigError(
      `node ${tables.node || NO_NODE}: the tables do not fit, so an agent would write none of them`,
    );
  }
  const costs = policyCosts(tables);
  if (format !== 'table') {
    printData(format, {
      ...summary,
      policies: costs.policies,
      tables: viewTables(tables),
      notes: [...cluster.notes, ...costs.notes],
    });
    return;
  }
  print(formatTables(tables.result.tables, tables.glossary));
  print(`\n${formatCost(summary.cost)}`);
  if (costs.policies.length > 0) {
    const rows = costs.policies.map(({ policy, rows: own, prefixes, bytes }) => [
      policy,
      `${own}`,
      `${prefixes}`,
      `${bytes}`,
    ]);
    print(`\n${formatTable([['POLICY', 'ROWS', 'PREFIXES', 'BYTES SAVED WITHOUT IT'], ...rows])}`);
  }
  for (const note of [...madeUpNote(cluster), ...cluster.notes, ...costs.notes]) print(`note: ${note}`);
}

function formatCost(cost: TableCost): string {
  const rows = cost.maps.map(({ map, elements, limit, bytes }) => [map, `${elements}`, `${limit}`, `${bytes}`]);
  return formatTable([['MAP', 'ELEMENTS', 'LIMIT', 'BYTES'], ...rows, ['total', '', '', `${cost.bytes}`]]);
}

function formatSummaries(
  summaries: readonly NodeSummary[],
  cluster: LoadedCluster,
  format: 'table' | 'markdown',
): string {
  if (summaries.length === 0) return 'nothing to compile: the input has neither pods nor nodes';
  const head = ['NODE', 'PODS', 'RULE SETS', 'ADDRESSES', 'PREFIXES', 'ROWS', 'BYTES', 'FITS'];
  const rows = summaries.map(({ node, fits, cost }) => {
    const elements = (name: string): string => `${cost.maps.find(({ map }) => map === name)?.elements ?? 0}`;
    const sizes = [
      elements('endpoints'),
      `${cost.ruleSets}`,
      elements('addresses'),
      elements('prefixes'),
      elements('rows'),
    ];
    return [node || NO_NODE, ...sizes, `${cost.bytes}`, fits ? 'yes' : 'NO'];
  });
  const table = format === 'markdown' ? markdownTable([head, ...rows]) : formatTable([head, ...rows]);
  const notes = [...madeUpNote(cluster), ...cluster.notes].map((note) => `note: ${note}`);
  return [table, ...notes].join('\n');
}

function madeUpNote({ madeUp }: LoadedCluster): readonly string[] {
  if (madeUp.size === 0) return [];
  const verb = madeUp.size === 1 ? 'has' : 'have';
  return [`${count(madeUp.size, 'pod')} ${verb} no address in the input; those in the tables are made up`];
}
