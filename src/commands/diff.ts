/** `sluice diff`: which flows a change of policies allows or denies. Exit code 1 when there are any. */
import { ConfigError } from '../lib/errors.ts';
import type { GivenObjects, LoadedCluster } from '../cluster/manifests/load-cluster.ts';
import type { ManifestText } from '../cluster/manifests/load-manifests.ts';
import { diffClusters, type PolicyDiff } from '../policy/diff.ts';
import { diffData, diffMarkdown, diffTable } from './render/diff-text.ts';
import { viewDiff } from './render/diff-view.ts';
import { PodNames } from './render/pod-names.ts';
import { EXIT_INPUT, EXIT_NO, endWith } from './support/exit-code.ts';
import { loadGitManifests, readGitPlace } from './support/git-manifests.ts';
import { loadInput, tellProblems } from './support/input.ts';
import { type LiveChoice, loadLiveCluster, readLiveWord } from './support/live-cluster.ts';
import { count, print, readFormat } from './support/output.ts';
import { workloadNames } from './support/workload-names.ts';

export interface DiffOptions {
  /** What both sides have besides their own, named like a side: pods and namespaces. */
  readonly with?: readonly string[];
  /** Of `cluster`. */
  readonly kubeconfig?: string;
  readonly podCidr?: readonly string[];
  readonly output: string;
}

/** Notes of the input that both sides have are told once. */
export async function runDiff(before: string, after: string, options: DiffOptions): Promise<void> {
  const format = readFormat(options.output, ['table', 'json', 'markdown']);
  const clusters = new LiveClusters();
  const sides = [await readSide(before, options, clusters), await readSide(after, options, clusters)] as const;
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
 * As readInput, for one side of a diff with what both have besides.
 * @throws ConfigError when it cannot be made out.
 */
async function readSide(side: string, options: DiffOptions, clusters: LiveClusters): Promise<LoadedCluster> {
  const { with: shared = [], podCidr = [] } = options;
  const files: string[] = [];
  const texts: ManifestText[] = [];
  const live = new Map<string, LiveChoice>();
  for (const word of [side, ...shared]) {
    const choice = readLiveWord(word, options.kubeconfig);
    const revision = readGitPlace(word);
    if (choice !== undefined) live.set(word, choice);
    else if (revision !== undefined) texts.push(...(await loadGitManifests(revision, process.cwd())));
    else files.push(word);
  }
  const [first, second] = live.keys();
  if (second !== undefined) throw new ConfigError(`${first} and ${second}: one side can be read from one cluster only`);
  const choice = live.get(first ?? '');
  const beneath = choice === undefined ? undefined : await clusters.read(choice);
  const cluster = await loadInput({ file: files, podCidr }, { texts, ...(beneath !== undefined && { beneath }) });
  tellProblems(cluster.problems);
  const errors = cluster.problems.filter(({ severity }) => severity === 'error');
  const hopeless = errors.filter(({ object }) => object === undefined);
  if (hopeless.length > 0)
    throw new ConfigError(`${side} has ${count(hopeless.length, 'error')} that must be mended first`);
  if (errors.length > 0) endWith(EXIT_INPUT);
  return cluster;
}

/** Each is read once, so both sides see it as it was at one moment. */
class LiveClusters {
  readonly #known = new Map<string, Promise<GivenObjects>>();

  read(choice: LiveChoice): Promise<GivenObjects> {
    const key = choice.context ?? '';
    const known = this.#known.get(key) ?? loadLiveCluster(choice);
    this.#known.set(key, known);
    return known;
  }
}
