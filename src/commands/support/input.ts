/** What every command that judges manifests reads: `-f`, standard input, and how its mistakes are told. */
import { ConfigError, errorMessage } from '../../lib/errors.ts';
import { type LoadedCluster, loadCluster, type LoadOptions } from '../../cluster/manifests/load-cluster.ts';
import type { ManifestText } from '../../cluster/manifests/load-manifests.ts';
import { bytesMax } from '../../cluster/manifests/parse-manifest.ts';
import { formatProblem, type ObjectProblem } from '../../cluster/source.ts';
import { type Cidr, parseCidr } from '../../net/cidr.ts';
import { EXIT_INPUT, endWith } from './exit-code.ts';
import { type LiveChoice, loadLiveCluster } from './live-cluster.ts';
import { count, indent } from './output.ts';
import { isPolicyTest } from './policy-test.ts';

export interface InputOptions {
  /** Files, folders, or `-` for standard input. */
  readonly file?: readonly string[];
  /** Read the live cluster; what is in files takes the place of what is there. */
  readonly cluster?: boolean;
  readonly context?: string;
  readonly kubeconfig?: string;
  /** Where addresses for pods without one come from. */
  readonly podCidr?: readonly string[];
}

const STDIN = '-';
/** Problems shown with their lines; the rest is counted. */
const PROBLEMS_SHOWN_MAX = 50;

/**
 * The cluster that the files describe; problems go to standard error. An object that is wrong but known, such as an
 * invalid policy, does not stop the command; it makes it end with EXIT_INPUT.
 * @throws ConfigError when there is no input, or it cannot be made out.
 */
export async function readInput(options: InputOptions, more: MoreInput = {}): Promise<LoadedCluster> {
  const cluster = await loadInput(options, more);
  tellProblems(cluster.problems);
  const errors = cluster.problems.filter(({ severity }) => severity === 'error');
  const hopeless = errors.filter(({ object }) => object === undefined);
  if (hopeless.length > 0)
    throw new ConfigError(`the input has ${count(hopeless.length, 'error')} that must be mended first`);
  if (errors.length > 0) endWith(EXIT_INPUT);
  return cluster;
}

/** What a command adds to what its options name. */
export interface MoreInput extends Pick<LoadOptions, 'avoid' | 'beneath'> {
  readonly texts?: readonly ManifestText[];
}

/** The same without telling: for a command whose answer the problems are. */
export async function loadInput(options: InputOptions, more: MoreInput = {}): Promise<LoadedCluster> {
  const { file = [], podCidr = [] } = options;
  const { texts: given = [], ...rest } = more;
  const live = liveChoiceOf(options);
  if (file.length + given.length === 0 && live === undefined && rest.beneath === undefined) {
    throw new ConfigError(
      'no input: name files or folders of manifests with -f, or - for standard input, or read the live one with --cluster',
    );
  }
  const paths = file.filter((path) => path !== STDIN);
  const texts = file.includes(STDIN) ? [...given, await readStdin()] : given;
  return await loadCluster(paths, texts, {
    podCidrs: readPodCidrs(podCidr),
    claim: (_, raw) => isPolicyTest(raw),
    ...(live !== undefined && { beneath: await loadLiveCluster(live) }),
    ...rest,
  });
}

/** @throws ConfigError for options that only make sense with --cluster. */
export function liveChoiceOf({
  cluster = false,
  context,
  kubeconfig,
}: Pick<InputOptions, 'cluster' | 'context' | 'kubeconfig'>): LiveChoice | undefined {
  if (!cluster) {
    const given = context !== undefined ? '--context' : kubeconfig !== undefined ? '--kubeconfig' : undefined;
    if (given !== undefined) throw new ConfigError(`${given} says which cluster: add --cluster to read one`);
    return undefined;
  }
  return { ...(context !== undefined && { context }), ...(kubeconfig !== undefined && { kubeconfig }) };
}

/** @throws ConfigError for what is no CIDR, and for two of one family. */
export function readPodCidrs(texts: readonly string[]): readonly Cidr[] {
  const cidrs = texts.map((text) => {
    const cidr = parseCidr(text);
    if (cidr === undefined)
      throw new ConfigError(`--pod-cidr ${JSON.stringify(text)}: use a CIDR such as 10.244.0.0/16`);
    return cidr;
  });
  if (new Set(cidrs.map(({ family }) => family)).size < cidrs.length) {
    throw new ConfigError('--pod-cidr: give at most one IPv4 and one IPv6 range');
  }
  return cidrs;
}

async function readStdin(): Promise<ManifestText> {
  if (process.stdin.isTTY) process.stderr.write('reading manifests from standard input; end with Ctrl-D\n');
  const parts: Buffer[] = [];
  let bytes = 0;
  const { bytes: most } = bytesMax('.json');
  try {
    for await (const part of process.stdin) {
      parts.push(part as Buffer);
      bytes += (part as Buffer).length;
      if (bytes > most) throw new ConfigError(`standard input has more than JSON_BYTES_MAX, ${most} bytes`);
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`standard input cannot be read: ${errorMessage(error)}`, { cause: error });
  }
  const text = Buffer.concat(parts).toString('utf8');
  const name = text.trimStart().startsWith('{') ? 'stdin.json' : 'stdin.yaml';
  const { limit, bytes: fit } = bytesMax(name);
  if (bytes > fit)
    throw new ConfigError(`standard input has ${bytes} bytes, more than ${limit}, ${fit}; JSON may have more`);
  return { name, text };
}

/** Errors first, each with its line and a caret. */
export function tellProblems(problems: readonly ObjectProblem[]): void {
  const sorted = problems.toSorted((a, b) => (a.severity === b.severity ? 0 : a.severity === 'error' ? -1 : 1));
  for (const problem of sorted.slice(0, PROBLEMS_SHOWN_MAX)) process.stderr.write(`${problemText(problem)}\n`);
  const more = sorted.length - PROBLEMS_SHOWN_MAX;
  if (more > 0) process.stderr.write(`${count(more, 'more problem')} of the input not shown\n`);
}

export function problemText(problem: ObjectProblem): string {
  const line = formatProblem(problem);
  // What is only left alone needs no look at the line.
  if (problem.place === undefined || (problem.severity === 'warning' && problem.object === undefined)) return line;
  return `${line}\n${indent(problem.place.excerpt, 4)}`;
}
