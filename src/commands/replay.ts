/**
 * `sluice replay`: flows that were recorded, judged by a candidate set of policies. Tells those that the candidate denies
 * and those whose verdict changes. Exit code 1 when it denies one that was allowed.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { ConfigError, errorMessage } from '../lib/errors.ts';
import { type FlowJudgement, judgeFlow } from '../policy/answer.ts';
import { DryRun } from '../policy/dry-run.ts';
import type { EndExplanation } from '../policy/explain.ts';
import type { Pod } from '../policy/model.ts';
import { EXIT_INPUT, EXIT_NO, endWith } from './support/exit-code.ts';
import { type FlowRecord, readFlowRecord } from './support/flow-record.ts';
import { type InputOptions, readInput } from './support/input.ts';
import { count, formatTable, paint, print, printData, readFormat } from './support/output.ts';

export interface ReplayOptions extends InputOptions {
  readonly output: string;
}

/** Recorded and candidate verdict together. */
export type Change = 'newly-denied' | 'newly-allowed' | 'still-denied' | 'still-allowed';

export interface ReplayedFlow {
  readonly change: Exclude<Change, 'still-allowed'>;
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly port: number;
  /** How many lines were this flow. */
  readonly times: number;
  readonly reason: string;
}

export interface ReplaySummary {
  readonly flows: number;
  readonly newlyDenied: number;
  readonly newlyAllowed: number;
  readonly stillDenied: number;
  readonly stillAllowed: number;
  /** Lines that policies have no say about. */
  readonly skipped: number;
  /** Lines that could not be read. */
  readonly faulty: number;
}

/** Characters of one line. */
const LINE_CHARS_MAX = 65_536;
/** Different flows that are kept; later ones end the command. */
const FLOWS_MAX = 1_000_000;
/** Faulty lines told one by one. */
const FAULTS_TOLD_MAX = 10;

export async function runReplay(flowFile: string, options: ReplayOptions): Promise<void> {
  const format = readFormat(options.output, ['table', 'json', 'yaml']);
  if (flowFile === '-' && options.file?.includes('-') === true)
    throw new ConfigError('standard input cannot be both flows and manifests');
  const recorded = await readFlows(flowFile);
  const avoid = Array.from(recorded.flows.values(), ({ record }) => [record.source, record.destination]).flat();
  const cluster = await readInput(options, { avoid });
  const dryRun = new DryRun(cluster.changes);
  const judged = Array.from(recorded.flows.values(), ({ record, times }) => replayFlow(dryRun, record, times));
  const told = judged.filter((flow): flow is ReplayedFlow => flow.change !== 'still-allowed');
  const times = (change: Change): number =>
    judged.filter((flow) => flow.change === change).reduce((sum, flow) => sum + flow.times, 0);
  const summary: ReplaySummary = {
    flows: judged.reduce((sum, flow) => sum + flow.times, 0),
    newlyDenied: times('newly-denied'),
    newlyAllowed: times('newly-allowed'),
    stillDenied: times('still-denied'),
    stillAllowed: times('still-allowed'),
    skipped: recorded.skipped,
    faulty: recorded.faulty,
  };
  const order: readonly string[] = ['newly-denied', 'newly-allowed', 'still-denied'];
  const sorted = told.toSorted((a, b) => order.indexOf(a.change) - order.indexOf(b.change) || b.times - a.times);
  if (format === 'table') print(formatReplay(sorted, summary));
  else printData(format, { flows: sorted, summary });
  if (summary.newlyDenied > 0) endWith(EXIT_NO);
  if (summary.faulty > 0 || summary.flows + summary.skipped === 0) endWith(EXIT_INPUT);
}

interface Recorded {
  readonly flows: ReadonlyMap<string, { readonly record: FlowRecord; readonly times: number }>;
  readonly skipped: number;
  readonly faulty: number;
}

async function readFlows(file: string): Promise<Recorded> {
  const flows = new Map<string, { record: FlowRecord; times: number }>();
  let [number, skipped, faulty] = [0, 0, 0];
  try {
    const input = file === '-' ? process.stdin : createReadStream(file, 'utf8');
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      number += 1;
      if (line.trim() === '') continue;
      const record =
        line.length > LINE_CHARS_MAX
          ? { fault: `is longer than LINE_CHARS_MAX, ${LINE_CHARS_MAX}` }
          : readFlowRecord(line);
      if ('skip' in record) {
        skipped += 1;
      } else if ('fault' in record) {
        faulty += 1;
        if (faulty <= FAULTS_TOLD_MAX) process.stderr.write(`${nameOf(file)}:${number}: ${record.fault}\n`);
      } else {
        remember(flows, record);
      }
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`${nameOf(file)} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
  if (number === 0) throw new ConfigError(`${nameOf(file)} holds no flows`);
  return { flows, skipped, faulty };
}

function nameOf(file: string): string {
  return file === '-' ? 'standard input' : file;
}

function remember(flows: Map<string, { record: FlowRecord; times: number }>, record: FlowRecord): void {
  const key = Object.values(record).join(' ');
  const known = flows.get(key);
  if (known !== undefined) known.times += 1;
  else if (flows.size === FLOWS_MAX)
    throw new ConfigError(`more different flows than FLOWS_MAX, ${FLOWS_MAX}: replay them in parts`);
  else flows.set(key, { record, times: 1 });
}

type Judged = Omit<ReplayedFlow, 'change'> & { readonly change: Change };

function replayFlow(dryRun: DryRun, record: FlowRecord, times: number): Judged {
  const source = endOf(dryRun, record.source, record.sourcePod);
  const destination = endOf(dryRun, record.destination, record.destinationPod);
  const base = {
    source: source.label,
    destination: destination.label,
    protocol: record.protocol,
    port: record.destinationPort,
    times,
  };
  const judgement = judgeEnds(dryRun, record, source, destination);
  const was = record.verdict;
  if (judgement === undefined) {
    // A pod that the candidate does not know would be closed on its node.
    return {
      ...base,
      change: was === 'allow' ? 'newly-denied' : 'still-denied',
      reason: unknownPods(source, destination),
    };
  }
  const change: Change =
    judgement.verdict === was
      ? was === 'allow'
        ? 'still-allowed'
        : 'still-denied'
      : was === 'allow'
        ? 'newly-denied'
        : 'newly-allowed';
  return { ...base, change, reason: reasonOf(judgement) };
}

interface ReplayEnd {
  readonly label: string;
  /** Undefined: the record names a pod that is not in the input, and no address. */
  readonly address: string | undefined;
  readonly pod: Pod | undefined;
}

/** The pod by its name, since a pod of the candidate has another address than when the flow was recorded. */
function endOf(dryRun: DryRun, address: string, podKey: string | undefined): ReplayEnd {
  const pod = podKey === undefined ? undefined : dryRun.pods.get(podKey);
  if (pod === undefined) {
    const label = podKey === undefined ? address : `${podKey}${address === '' ? '' : ` (${address})`}`;
    return { label, address: address === '' ? undefined : address, pod: undefined };
  }
  const own = pod.podIPs.find((ip) => address === '' || ip.includes(':') === address.includes(':'));
  return { label: podKey ?? '', address: own ?? (address === '' ? undefined : address), pod };
}

function judgeEnds(
  dryRun: DryRun,
  record: FlowRecord,
  source: ReplayEnd,
  destination: ReplayEnd,
): FlowJudgement | undefined {
  if (source.address === undefined || destination.address === undefined) return undefined;
  const flow = {
    source: source.address,
    destination: destination.address,
    protocol: record.protocol,
    port: record.destinationPort,
  };
  return judgeFlow(dryRun, flow, {
    ...(source.pod !== undefined && { source: source.pod }),
    ...(destination.pod !== undefined && { destination: destination.pod }),
  });
}

function unknownPods(...ends: readonly ReplayEnd[]): string {
  const names = ends.filter(({ address }) => address === undefined).map(({ label }) => label);
  return `${names.join(' and ')} is not in the input`;
}

function reasonOf({ reason, egress, ingress }: FlowJudgement): string {
  if (reason === 'self') return 'a pod reaches itself';
  if (reason === 'own-node') return 'a pod and its own node';
  if (reason === 'no-subject') return 'neither end is a pod of the input';
  const denied = [egress, ingress].filter((end) => end?.verdict === 'deny').map((end) => end && deniedText(end));
  if (denied.length > 0) return denied.join('; ');
  const allowing = [egress, ingress].flatMap((end) => end?.allowedBy.slice(0, 1) ?? []);
  return allowing.length === 0
    ? 'not isolated'
    : `allowed by ${allowing.map(({ policy, direction, index }) => `${policy} ${direction}[${index}]`).join(' and ')}`;
}

function deniedText({ direction, policies, nearMiss }: EndExplanation): string {
  const failures = nearMiss?.failures.map(({ text }) => text).join(', ');
  const closest =
    nearMiss === undefined
      ? ''
      : ` (closest: ${nearMiss.rule.policy} ${direction}[${nearMiss.rule.index}]: ${failures})`;
  return `${direction} isolated by ${policies.join(', ')}${closest}`;
}

const HEADS = {
  'newly-denied': 'NEWLY DENIED',
  'newly-allowed': 'newly allowed',
  'still-denied': 'still denied',
} as const;

function formatReplay(flows: readonly ReplayedFlow[], summary: ReplaySummary): string {
  const lines: string[] = [];
  if (flows.length > 0) {
    const rows = flows.map(({ change, source, destination, protocol, port, times, reason }) => {
      const ports = protocol.startsWith('ICMP') ? protocol : `${protocol} ${port}`;
      return [HEADS[change], source, destination, ports, `${times}`, reason];
    });
    lines.push(formatTable([['CHANGE', 'SOURCE', 'DESTINATION', 'PORT', 'TIMES', 'WHY'], ...rows]), '');
  }
  const { newlyDenied, newlyAllowed, stillDenied, stillAllowed, skipped, faulty } = summary;
  const denied = newlyDenied === 0 ? 'none newly denied' : paint('red', `${newlyDenied} newly denied`);
  lines.push(
    `${count(summary.flows, 'flow')}: ${denied}, ${newlyAllowed} newly allowed, ${stillDenied} still denied, ${stillAllowed} still allowed`,
  );
  if (skipped > 0) lines.push(`${count(skipped, 'line')} passed over: policies have no say about them`);
  if (faulty > 0) lines.push(`${count(faulty, 'line')} could not be read`);
  return lines.join('\n');
}
