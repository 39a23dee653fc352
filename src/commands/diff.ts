/** `sluice diff`: which flows a change of policies allows or denies. Exit code 1 when there are any. */
import { ConfigError } from '../lib/errors.ts';
import { type LoadedCluster, loadCluster } from '../cluster/manifests/load-cluster.ts';
import { diffClusters, type PolicyDiff } from '../policy/diff.ts';
import { diffData, diffMarkdown, diffTable } from './render/diff-text.ts';
import { viewDiff } from './render/diff-view.ts';
import { PodNames } from './render/pod-names.ts';
import { EXIT_INPUT, EXIT_NO, endWith } from './support/exit-code.ts';
import { loadGitManifests, readGitPlace } from './support/git-manifests.ts';
import { type InputOptions, loadInput, readPodCidrs, tellProblems } from './support/input.ts';
import { count, print, readFormat } from './support/output.ts';
import { isPolicyTest } from './support/policy-test.ts';
import { workloadNames } from './support/workload-names.ts';

export interface DiffOptions {
  /** Files or folders that both sides have besides their own: pods and namespaces. */
  readonly with?: readonly string[];
  readonly podCidr?: readonly string[];
  readonly output: string;
}

/** Notes of the input that both sides have are told once. */
export async function runDiff(before: string, after: string, options: DiffOptions): Promise<void> {
  const format = readFormat(options.output, ['table', 'json', 'markdown']);
  const sides = [await readSide(before, options), await readSide(after, options)] as const;
  const diff = compare(sides);
  const names = new PodNames(diff.common, new Map(sides.flatMap((side) => [...workloadNames(side)])));
  const view = viewDiff(diff, names, [...new Set(sides.flatMap(({ notes }) => notes))]);
  if (diff.common.length === 0) throw new ConfigError(nothingCommon(diff));
  switch (format) {
    case 'table':
      print(diffTable(view));
      break;
    case 'markdown':
      print(diffMarkdown(view));
      break;
    case 'json':
      print(JSON.stringify(diffData(view), undefined, 2));
  }
  if (view.changed) endWith(EXIT_NO);
}

function compare([before, after]: readonly [LoadedCluster, LoadedCluster]): PolicyDiff {
  try {
    return diffClusters(before.changes, after.changes);
  } catch (error) {
    if (error instanceof RangeError) throw new ConfigError(error.message, { cause: error });
    throw error;
  }
}

function nothingCommon({ onlyBefore, onlyAfter }: PolicyDiff): string {
  if (onlyBefore.length + onlyAfter.length === 0)
    return 'neither side has pods: add them with --with FILE, or flows cannot be compared';
  return `no pod is on both sides (${onlyBefore.length} before, ${onlyAfter.length} after): add those they share with --with FILE`;
}

/**
 * As readInput, for one side of a diff, which may be a revision.
 * @throws ConfigError when it cannot be made out.
 */
async function readSide(side: string, options: DiffOptions): Promise<LoadedCluster> {
  const { with: shared = [], podCidr = [] } = options;
  const place = readGitPlace(side);
  const cluster = place === undefined ? await loadInput(inputOf(side, shared, podCidr)) : await loadRevision(place);
  tellProblems(cluster.problems);
  const errors = cluster.problems.filter(({ severity }) => severity === 'error');
  const hopeless = errors.filter(({ object }) => object === undefined);
  if (hopeless.length > 0)
    throw new ConfigError(`${side} has ${count(hopeless.length, 'error')} that must be mended first`);
  if (errors.length > 0) endWith(EXIT_INPUT);
  return cluster;

  async function loadRevision(found: NonNullable<typeof place>): Promise<LoadedCluster> {
    const texts = await loadGitManifests(found, process.cwd());
    return await loadCluster(shared, texts, { podCidrs: readPodCidrs(podCidr), claim: (_, raw) => isPolicyTest(raw) });
  }
}

function inputOf(side: string, shared: readonly string[], podCidr: readonly string[]): InputOptions {
  return { file: [side, ...shared], podCidr };
}
