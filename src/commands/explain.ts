/**
 * `sluice explain`: may X talk to Y, and why; without a port, on which ports. Exit code 1 when it may not, or not
 * everywhere.
 */
import { ConfigError } from '../lib/errors.ts';
import { type Answer, answerFlows, PAIRS_MAX } from '../policy/answer.ts';
import { DryRun } from '../policy/dry-run.ts';
import { EXIT_NO, endWith } from './support/exit-code.ts';
import { type EndView, type PartView, viewParts } from './support/explanation.ts';
import { type FlowEnd, podsNamed, readFlowEnd } from './support/flow-end.ts';
import { type AskedPort, portAt, portText, readPort } from './support/flow-port.ts';
import { type InputOptions, readInput } from './support/input.ts';
import { formatOpenPorts, viewOpenPorts } from './support/open-ports-view.ts';
import { count, indent, paint, print, printData, readFormat, terminalWidth, wrap } from './support/output.ts';

export interface ExplainOptions extends InputOptions {
  readonly from: string;
  readonly to: string;
  /** Without: what is open. */
  readonly port?: string;
  readonly output: string;
}

/** As printed with -o json; docs/output.md. */
export interface Explanation {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly verdict: Answer['verdict'];
  readonly parts: readonly PartView[];
  readonly notes: readonly string[];
}

/** Addresses or pods of one side that a line names. */
const NAMED_MAX = 6;
/** Parts that the table explains. */
const PARTS_SHOWN_MAX = 20;

export async function runExplain(options: ExplainOptions): Promise<void> {
  const format = readFormat(options.output, ['table', 'json', 'yaml']);
  const port = options.port === undefined ? undefined : readPort(options.port);
  const cluster = await readInput(options);
  const named = [options.from, options.to].map((end) => podsNamed(end, cluster));
  // Of a large cluster most pods are not asked about: then they need not be compiled as endpoints.
  const subjects = named.includes(undefined) ? undefined : new Set(named.flatMap((pods) => pods ?? []));
  const dryRun = new DryRun(cluster.changes, subjects);
  const from = readFlowEnd(options.from, cluster, dryRun);
  const to = readFlowEnd(options.to, cluster, dryRun);
  if (port === undefined) {
    const view = viewOpenPorts(dryRun, cluster, from, to);
    if (format === 'table') print(formatOpenPorts(view));
    else printData(format, view);
    if (view.open.some(({ ports }) => ports.length === 0)) endWith(EXIT_NO);
    return;
  }
  const answer = ask(dryRun, from, to, port);
  const explanation: Explanation = {
    from: from.text,
    to: to.text,
    port: portText(port),
    verdict: answer.verdict,
    parts: viewParts(answer, dryRun, cluster),
    notes: [...dryRun.contested(), ...cluster.notes],
  };
  if (format === 'table') print(formatExplanation(explanation));
  else printData(format, explanation);
  if (answer.verdict !== 'allow') endWith(EXIT_NO);
}

/** @throws ConfigError when the question cannot be answered as it stands. */
export function ask(dryRun: DryRun, from: FlowEnd, to: FlowEnd, port: AskedPort): Answer {
  const answer = answerFlows(dryRun, from.cells, to.cells, (destination) => portAt(port, destination));
  if ('parts' in answer) return answer;
  if (answer.kind === 'no-common-family') {
    throw new ConfigError(`${from.text} and ${to.text} have no address of a common family`);
  }
  throw new ConfigError(
    `${from.text} and ${to.text} make ${answer.pairs} pairs, more than PAIRS_MAX, ${PAIRS_MAX}: ask about less at a time`,
  );
}

const WORDS = { allow: 'allowed', deny: 'denied', mixed: 'mixed' } as const;
const COLOURS = { allow: 'green', deny: 'red', mixed: 'yellow' } as const;

export function formatExplanation(explanation: Explanation): string {
  const { from, to, port, verdict, parts, notes } = explanation;
  const lines = [`${from} -> ${to} on ${port}: ${paint(['bold', COLOURS[verdict]], WORDS[verdict])}`];
  for (const part of parts.slice(0, PARTS_SHOWN_MAX)) {
    if (parts.length > 1) lines.push('', partHead(part, explanation));
    lines.push(...partLines(part));
  }
  const more = parts.length - PARTS_SHOWN_MAX;
  if (more > 0) lines.push('', `${count(more, 'more answer')} not shown; -o json has all`);
  lines.push(
    ...[...new Set(parts.flatMap((part) => part.notes)), ...notes].flatMap((note) => wrapped(`note: ${note}`, 2)),
  );
  return lines.join('\n');
}

function partHead(part: PartView, { from, to }: Explanation): string {
  const sides = [part.sources, part.destinations].map((labels) => {
    const shown = labels.slice(0, NAMED_MAX).join(', ');
    return labels.length > NAMED_MAX ? `${shown} and ${labels.length - NAMED_MAX} more` : shown;
  });
  const [source = from, destination = to] = sides;
  return `${paint(COLOURS[part.verdict], WORDS[part.verdict])}: ${source} -> ${destination}`;
}

function partLines(part: PartView): readonly string[] {
  switch (part.reason) {
    case 'self':
      return wrapped('a pod always reaches itself: policies have no say (NP-85)', 2);
    case 'own-node':
      return wrapped('a pod and the node it runs on always reach each other: policies have no say (NP-80, NP-81)', 2);
    case 'no-subject':
      return wrapped('neither end is a pod that policies select, so none has a say', 2);
    case 'policy':
      return [...endLines('egress', part.egress, part), ...endLines('ingress', part.ingress, part)];
  }
}

function endLines(direction: 'egress' | 'ingress', end: EndView | null, part: PartView): readonly string[] {
  const label = direction.padEnd(7);
  if (end === null) {
    const address = direction === 'egress' ? part.example.source : part.example.destination;
    return [`  ${label} not judged: ${address} is not a pod that policies select`];
  }
  const word = paint(COLOURS[end.verdict], WORDS[end.verdict]);
  switch (end.reason) {
    case 'not-isolated':
      return [`  ${label} ${word}: no policy isolates ${podText(end, part)} for ${direction}`];
    case 'unknown-pod':
      return [`  ${label} ${word}: ${end.pod} shares its address with another pod, so it is closed`];
    case 'rule':
      return [
        `  ${label} ${word} by ${count(end.allowedBy.length, 'rule')}`,
        ...end.allowedBy.flatMap((rule) => ruleLines(rule)),
      ];
    case 'cluster-rule':
      return end.clusterRule === null
        ? []
        : [
            `  ${label} ${word} by a ClusterNetworkPolicy of tier ${end.clusterRule.tier}, ${end.clusterRule.action}:`,
            ...ruleLines(end.clusterRule),
            ...missLines(end),
          ];
    case 'no-rule':
      return [`  ${label} ${word}: ${isolation(end, direction, podText(end, part))}`, ...missLines(end)];
  }
}

/** The pod that speaks for all of its side. */
function podText({ pod, direction }: EndView, part: PartView): string {
  const others = (direction === 'egress' ? part.sources : part.destinations).length - 1;
  return others > 0 ? `${pod} (and ${others} more)` : pod;
}

function isolation(end: EndView, direction: string, pod: string): string {
  const invalid = new Set(end.invalidPolicies);
  const names = end.policies
    .filter((policy) => !policy.startsWith('cnp:'))
    .map((policy) => (invalid.has(policy) ? `${policy} (invalid: it isolates and allows nothing)` : policy));
  const verb = names.length === 1 ? 'isolates' : 'isolate';
  const hasRules = end.nearMiss !== null;
  const none = hasRules ? 'and no rule allows this' : `and has no ${direction} rule`;
  return `${names.join(', ')} ${verb} ${pod} ${names.length > 1 ? none.replace('has', 'have') : none}`;
}

function missLines({ nearMiss }: EndView): readonly string[] {
  if (nearMiss === null) return [];
  return [
    '          the rule that came closest:',
    ...ruleLines(nearMiss),
    ...nearMiss.failures.map((failure) => `            ${paint('red', 'x')} ${failure}`),
  ];
}

function ruleLines({ policy, rule, text, file, line }: EndView['allowedBy'][number]): readonly string[] {
  const at = file === null ? '' : ` (${file}${line === null ? '' : `:${line}`})`;
  return [`          ${policy} ${rule}${at}`, ...(text === '' ? [] : wrapped(text, 12))];
}

function wrapped(text: string, by: number): readonly string[] {
  return wrap(text, terminalWidth() - by).map((line) => indent(line, by));
}
