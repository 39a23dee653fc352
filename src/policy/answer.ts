/**
 * The answer to "may these talk to those?": every pair of cells judged at both ends (NP-3), pairs with the same answer for
 * the same reasons put together.
 */
import type { DryRun, Party } from './dry-run.ts';
import { type EndExplanation, explainEnd, type Flow } from './explain.ts';
import type { FlowCell } from './flow-cells.ts';
import type { Pod } from './model.ts';

/** Pairs up to which addresses are explained one by one; beyond, those that no rule tells apart are told together. */
const FINE_PAIRS_MAX = 2_000;
/** Pairs that one question may have. */
export const PAIRS_MAX = 250_000;

export type FlowReason =
  /** What the ends say. */
  | 'policy'
  /** A pod and its own node (NP-80, NP-81). */
  | 'own-node'
  /** A pod and itself (NP-85). */
  | 'self'
  /** Neither end is a pod that policies select. */
  | 'no-subject';

export interface FlowJudgement {
  readonly verdict: 'allow' | 'deny';
  readonly reason: FlowReason;
  readonly flow: Flow;
  readonly sourceParty: Party;
  readonly destinationParty: Party;
  /** Undefined: not judged at that end. */
  readonly egress: EndExplanation | undefined;
  readonly ingress: EndExplanation | undefined;
}

/** Pairs with one answer. */
export interface AnswerPart extends FlowJudgement {
  readonly pairs: number;
  readonly sources: readonly FlowCell[];
  readonly destinations: readonly FlowCell[];
}

export interface Answer {
  readonly verdict: 'allow' | 'deny' | 'mixed';
  /** Denials first. Never empty. */
  readonly parts: readonly AnswerPart[];
}

/** Too many pairs, or none: data, because the question is a person's. */
export type Unanswerable =
  { readonly kind: 'no-common-family' } | { readonly kind: 'too-many-pairs'; readonly pairs: number };

/** What a flow is judged by, with the port of each destination: named ports differ from pod to pod. */
export type PortOf = (destination: FlowCell) => Pick<Flow, 'protocol' | 'port'>;

export function answerFlows(
  dryRun: DryRun,
  sources: readonly FlowCell[],
  destinations: readonly FlowCell[],
  portOf: PortOf,
): Answer | Unanswerable {
  const pairs = sources.length * destinations.length;
  if (pairs > PAIRS_MAX) return { kind: 'too-many-pairs', pairs };
  const parts = new Parts();
  const judge = new PairJudge(dryRun, pairs <= FINE_PAIRS_MAX);
  for (const source of sources) {
    for (const destination of destinations) {
      if (source.family !== destination.family) continue;
      const flow = { source: source.address, destination: destination.address, ...portOf(destination) };
      parts.add(judge.judge(source, destination, flow), source, destination);
    }
  }
  const found = parts.list();
  const [first] = found;
  if (first === undefined) return { kind: 'no-common-family' };
  const verdict = found.every((part) => part.verdict === first.verdict) ? first.verdict : 'mixed';
  return { verdict, parts: found };
}

/** Judges one flow between two addresses. */
export function judgeFlow(dryRun: DryRun, flow: Flow, named: { source?: Pod; destination?: Pod } = {}): FlowJudgement {
  const sourceParty = partyOf(dryRun, flow.source, named.source);
  const destinationParty = partyOf(dryRun, flow.destination, named.destination);
  const base = {
    flow,
    sourceParty,
    destinationParty,
    egress: undefined,
    ingress: undefined,
    verdict: 'allow',
  } as const;
  if (flow.source === flow.destination) return { ...base, reason: 'self' };
  if (isOwnNode(sourceParty, destinationParty)) return { ...base, reason: 'own-node' };
  const egress = sourceParty.kind === 'pod' ? explainEnd(dryRun, 'egress', sourceParty.pod, flow) : undefined;
  const ingress =
    destinationParty.kind === 'pod' ? explainEnd(dryRun, 'ingress', destinationParty.pod, flow) : undefined;
  if (egress === undefined && ingress === undefined) return { ...base, reason: 'no-subject' };
  const isDenied = egress?.verdict === 'deny' || ingress?.verdict === 'deny';
  return { ...base, egress, ingress, verdict: isDenied ? 'deny' : 'allow', reason: 'policy' };
}

/** A pod that was named is the subject even when another has its address too. */
function partyOf(dryRun: DryRun, address: string, named: Pod | undefined): Party {
  const party = dryRun.partyAt(address);
  if (named === undefined || named.terminal || named.hostNetwork) return party;
  return { kind: 'pod', pod: named };
}

function isOwnNode(a: Party, b: Party): boolean {
  if (a.kind === 'pod' && b.kind === 'node') return b.nodes.includes(a.pod.nodeName) && a.pod.nodeName !== '';
  return a.kind === 'node' && b.kind === 'pod' ? isOwnNode(b, a) : false;
}

/** Explains a pair once for all pairs that the tables cannot tell apart. */
class PairJudge {
  readonly #dryRun: DryRun;
  readonly #isFine: boolean;
  readonly #known = new Map<string, FlowJudgement>();
  readonly #classes = new Map<string, number>();

  constructor(dryRun: DryRun, isFine: boolean) {
    this.#dryRun = dryRun;
    this.#isFine = isFine;
  }

  judge(source: FlowCell, destination: FlowCell, flow: Flow): FlowJudgement {
    const named = {
      ...(source.pod !== undefined && { source: source.pod }),
      ...(destination.pod !== undefined && { destination: destination.pod }),
    };
    const key = `${this.#keyOf(source)}>${this.#keyOf(destination)}>${flow.protocol}/${flow.port}`;
    if (flow.source === flow.destination) return judgeFlow(this.#dryRun, flow, named);
    let judgement = this.#known.get(key);
    if (judgement === undefined) {
      judgement = judgeFlow(this.#dryRun, flow, named);
      this.#known.set(key, judgement);
    }
    return judgement;
  }

  /** Equal for ends with the same rule sets, policies, class and node. */
  #keyOf({ address, pod }: FlowCell): string {
    const party = pod === undefined ? this.#dryRun.partyAt(address) : ({ kind: 'pod', pod } as const);
    let peerClass = this.#classes.get(address);
    if (peerClass === undefined) {
      peerClass = this.#dryRun.classAt(address);
      this.#classes.set(address, peerClass);
    }
    if (party.kind === 'node') return `${peerClass} node ${party.nodes.join(' ')}`;
    if (party.kind !== 'pod') return `${peerClass} ${party.kind} ${this.#isFine ? address : ''}`;
    const key = `${party.pod.namespace}/${party.pod.name}`;
    const endpoint = this.#dryRun.endpointOf(key);
    const ruleSets = endpoint === undefined ? undefined : this.#dryRun.reader.ruleSetsOf(endpoint);
    const { ingress, egress } = this.#dryRun.policiesOf(key);
    const policies = `${ingress.join(' ')}<${egress.join(' ')}`;
    const labels = Object.entries(party.pod.labels).flat().join(' ');
    return `${peerClass} ${ruleSets?.ingress} ${ruleSets?.egress} ${policies} ${party.pod.nodeName} ${party.pod.namespace} ${labels}`;
  }
}

class Parts {
  readonly #byKey = new Map<
    string,
    { judgement: FlowJudgement; pairs: number; sources: Set<FlowCell>; destinations: Set<FlowCell> }
  >();

  add(judgement: FlowJudgement, source: FlowCell, destination: FlowCell): void {
    const key = [judgement.verdict, judgement.reason, endKey(judgement.egress), endKey(judgement.ingress)].join('|');
    const part = this.#byKey.get(key) ?? { judgement, pairs: 0, sources: new Set(), destinations: new Set() };
    this.#byKey.set(key, part);
    part.pairs += 1;
    part.sources.add(source);
    part.destinations.add(destination);
  }

  list(): readonly AnswerPart[] {
    const all = Array.from(this.#byKey.values(), ({ judgement, pairs, sources, destinations }) => {
      return { ...judgement, pairs, sources: [...sources], destinations: [...destinations] };
    });
    // A pod reaches itself whatever the policies say: beside other pairs that is no answer to the question.
    const parts = all.length > 1 ? all.filter(({ reason }) => reason !== 'self') : all;
    return [
      ...parts.filter(({ verdict }) => verdict === 'deny'),
      ...parts.filter(({ verdict }) => verdict === 'allow'),
    ];
  }
}

/** Equal for ends that say the same for the same reasons, whatever the addresses. */
function endKey(end: EndExplanation | undefined): string {
  if (end === undefined) return '';
  const allowedBy = end.allowedBy.map(({ policy, index }) => `${policy}[${index}]`).join(' ');
  const { nearMiss } = end;
  const miss =
    nearMiss &&
    `${nearMiss.rule.policy}[${nearMiss.rule.index}] ${nearMiss.failures.map(({ kind }) => kind).join(' ')}`;
  const clusterRule = end.clusterRule === undefined ? '' : `${end.clusterRule.policy}[${end.clusterRule.index}]`;
  return [clusterRule, end.verdict, end.reason, end.policies.join(' '), allowedBy, miss ?? ''].join(';');
}
