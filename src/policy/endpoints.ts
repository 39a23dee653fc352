/**
 * Local endpoints, the pods they are, and the rule sets that follow. Only endpoints make policies matter on a node.
 *
 * 1. An endpoint is a pod's when namespace and name are equal and the uids too, where both have one (NP-125).
 * 2. Its pod is not known: closed in both directions.
 * 3. No policy isolates a direction: open (NP-2). Otherwise the sum of the policies that do.
 * 4. ClusterNetworkPolicies that select it come before that, those of the Baseline tier instead of open (CNP-20).
 */
import { readAddressKey } from './address-key.ts';
import type { AddressBook } from './address-book.ts';
import { linesOf, selectsPod, type CompiledClusterPolicy, type SelectedClusterPolicy } from './cluster-policy.ts';
import type { ClusterPolicyIndex } from './cluster-policy-index.ts';
import { RULE_SET_CLOSED, RULE_SET_OPEN } from './ids.ts';
import type { Labels, LocalEndpoint, PolicyType } from './model.ts';
import type { PolicyIndex } from './policy-index.ts';
import { NO_NUMBERS, numbersText } from './port-term.ts';
import type { EndpointEntry, EndpointRecord, PodRecord } from './records.ts';
import { OPEN_CONTENT, sumRules, withLines, type CompiledPolicy, type RuleSetContent } from './rule-content.ts';
import type { RuleSet, RuleSets } from './rule-set.ts';
import type { EndpointTable } from './tables.ts';

type UsedPolicy = CompiledPolicy | CompiledClusterPolicy;

const NONE: readonly never[] = [];

export class Endpoints {
  readonly #book: AddressBook;
  readonly #policies: PolicyIndex;
  readonly #clusterPolicies: ClusterPolicyIndex;
  readonly #namespaceLabels: (name: string) => Labels | undefined;
  readonly #ruleSets: RuleSets;
  readonly #unreadable: Map<string, readonly string[]>;
  readonly #byId = new Map<number, EndpointRecord>();
  readonly #byPod = new Map<string, Set<EndpointRecord>>();
  readonly #byNamespace = new Map<string, Set<EndpointRecord>>();
  readonly #dirty = new Set<EndpointRecord>();
  /** By the last `settle`. */
  #changed: EndpointRecord[] = [];
  #gone: number[] = [];

  constructor(parts: {
    readonly book: AddressBook;
    readonly policies: PolicyIndex;
    readonly clusterPolicies: ClusterPolicyIndex;
    readonly namespaceLabels: (name: string) => Labels | undefined;
    readonly ruleSets: RuleSets;
    readonly unreadable: Map<string, readonly string[]>;
  }) {
    this.#book = parts.book;
    this.#policies = parts.policies;
    this.#clusterPolicies = parts.clusterPolicies;
    this.#namespaceLabels = parts.namespaceLabels;
    this.#ruleSets = parts.ruleSets;
    this.#unreadable = parts.unreadable;
  }

  values(): MapIterator<EndpointRecord> {
    return this.#byId.values();
  }

  ofPod(podKey: string): Iterable<EndpointRecord> {
    return this.#byPod.get(podKey) ?? [];
  }

  /** Returns the keys of pods that have to be matched again. */
  set(endpoint: LocalEndpoint): readonly string[] {
    const old = this.#byId.get(endpoint.id);
    const oldKey = old && podKeyOf(old.endpoint);
    const record: EndpointRecord = old ?? {
      id: endpoint.id,
      endpoint,
      pod: undefined,
      claims: NONE,
      ingress: undefined,
      egress: undefined,
      ingressPolicies: NONE,
      egressPolicies: NONE,
      ingressClusterPolicies: NONE,
      egressClusterPolicies: NONE,
      unreadablePolicies: NONE,
      entry: undefined,
    };
    if (old !== undefined) this.#unlist(old);
    record.endpoint = endpoint;
    record.pod = undefined;
    this.#byId.set(record.id, record);
    addTo(this.#byPod, podKeyOf(endpoint), record);
    addTo(this.#byNamespace, endpoint.namespace, record);
    this.#claim(record, endpoint.addresses);
    this.#dirty.add(record);
    return oldKey === undefined ? [podKeyOf(endpoint)] : [oldKey, podKeyOf(endpoint)];
  }

  delete(id: number): readonly string[] {
    const record = this.#byId.get(id);
    if (record === undefined) return [];
    this.#unlist(record);
    this.#byId.delete(id);
    this.#claim(record, []);
    record.pod = undefined;
    this.#dirty.add(record);
    return [podKeyOf(record.endpoint)];
  }

  /** The pod is these endpoints' pod now, or (undefined) is not known. */
  setPod(record: EndpointRecord, pod: PodRecord | undefined): void {
    record.pod = pod;
    this.#dirty.add(record);
    for (const key of record.claims) this.#book.touch(key);
  }

  policyChanged(policy: CompiledPolicy): void {
    for (const record of this.#byNamespace.get(policy.namespace) ?? []) {
      const labels = record.pod?.group?.labels;
      if (labels !== undefined && policy.selector.matches(labels)) this.#dirty.add(record);
    }
  }

  clusterPolicyChanged(policy: CompiledClusterPolicy): void {
    for (const record of this.values()) {
      const group = record.pod?.group;
      if (group === undefined) continue;
      if (selectsPod(policy, group.labels, this.#namespaceLabels(group.space.name)) !== 'no') this.#dirty.add(record);
    }
  }

  /** To be called when the labels of the namespace may have changed. */
  namespaceChanged(namespace: string): void {
    if (this.#clusterPolicies.size === 0) return;
    for (const record of this.#byNamespace.get(namespace) ?? []) this.#dirty.add(record);
  }

  /** Gives every endpoint that was touched its rule sets; equal sums are made once. */
  settle(): void {
    const sums = new Map<string, RuleSetContent>();
    this.#changed = [];
    this.#gone = [];
    for (const record of this.#dirty) {
      const { ingress, egress, pod } = record;
      const group = pod?.group;
      const selecting = group === undefined ? [] : this.#policies.selecting(group.space.name, group.labels);
      record.ingressPolicies = isolatingIn(selecting, 'Ingress');
      record.egressPolicies = isolatingIn(selecting, 'Egress');
      const cluster =
        group === undefined
          ? []
          : this.#clusterPolicies.selecting(group.labels, this.#namespaceLabels(group.space.name));
      record.ingressClusterPolicies = havingASay(cluster, 'Ingress', record.ingressPolicies);
      record.egressClusterPolicies = havingASay(cluster, 'Egress', record.egressPolicies);
      record.ingress = this.#acquire(record.ingressPolicies, record.ingressClusterPolicies, 'Ingress', pod, sums);
      record.egress = this.#acquire(record.egressPolicies, record.egressClusterPolicies, 'Egress', pod, sums);
      if (ingress !== undefined) this.#ruleSets.release(ingress);
      if (egress !== undefined) this.#ruleSets.release(egress);
      record.unreadablePolicies = unreadableOf(record);
      this.#note(record);
    }
    this.#dirty.clear();
  }

  /** Policies that have a say at any endpoint, each once. */
  policiesInUse(): ReadonlySet<UsedPolicy> {
    return new Set(this.values().flatMap(policiesOf));
  }

  /** Those of them with texts that could not be read, as of the last `settle`. */
  unreadablePolicies(): ReadonlySet<UsedPolicy> {
    return new Set(this.values().flatMap(({ unreadablePolicies }) => unreadablePolicies));
  }

  table(): EndpointTable {
    return endpointTable([...this.values()].sort((a, b) => a.id - b.id));
  }

  /** What the last `settle` changed. */
  changes(): { readonly endpoints: EndpointTable; readonly goneEndpoints: Uint32Array } {
    return {
      endpoints: endpointTable(this.#changed.sort((a, b) => a.id - b.id)),
      goneEndpoints: Uint32Array.from(this.#gone).sort(),
    };
  }

  #note(record: EndpointRecord): void {
    const known = this.#byId.get(record.id);
    if (known === undefined && record.entry !== undefined) this.#gone.push(record.id);
    if (known !== record) return;
    const entry = entryOf(record);
    if (record.entry !== undefined && isSameEntry(record.entry, entry)) return;
    record.entry = entry;
    this.#changed.push(record);
  }

  #acquire(
    policies: readonly CompiledPolicy[],
    clusterPolicies: readonly SelectedClusterPolicy[],
    direction: PolicyType,
    pod: PodRecord | undefined,
    sums: Map<string, RuleSetContent>,
  ): RuleSet | undefined {
    if (policies.length === 0 && clusterPolicies.length === 0) return undefined;
    const numbers = direction === 'Ingress' ? (pod?.group?.declared ?? NO_NUMBERS) : NO_NUMBERS;
    const declared = numbersText(numbers);
    const rules = policies.length === 0 ? 'open' : policies.map((policy) => policy.rulesKey(direction)).join(' ');
    const sumKey = `${direction} ${rules} ${declared}`;
    let sum = sums.get(sumKey);
    if (sum === undefined) {
      sum = policies.length === 0 ? OPEN_CONTENT : sumRules(policies, direction, numbers);
      sums.set(sumKey, sum);
    }
    if (clusterPolicies.length === 0) return this.#ruleSets.acquire(sum);
    const serials = clusterPolicies.map(({ policy, certain }) => `${policy.serial}${certain ? '' : '?'}`);
    const wholeKey = `${sumKey} below ${serials.join(' ')}`;
    let whole = sums.get(wholeKey);
    if (whole === undefined) {
      whole = withLines(sum, linesOf(clusterPolicies, direction, numbers));
      sums.set(wholeKey, whole);
    }
    if (whole === OPEN_CONTENT) return undefined;
    return this.#ruleSets.acquire(whole);
  }

  #claim(record: EndpointRecord, addresses: readonly string[]): void {
    const keys: string[] = [];
    const bad: string[] = [];
    for (const address of addresses) {
      const key = readAddressKey(address);
      if (key === undefined) bad.push(address);
      else if (!keys.includes(key)) keys.push(key);
    }
    if (bad.length > 0) this.#unreadable.set(`endpoint ${record.id}`, bad);
    else this.#unreadable.delete(`endpoint ${record.id}`);
    for (const key of record.claims) this.#book.withdraw(key, record);
    // A list that grew has room to grow on: a copy has none.
    record.claims = keys.slice();
    for (const key of record.claims) this.#book.claimForEndpoint(key, record);
  }

  #unlist(record: EndpointRecord): void {
    takeFrom(this.#byPod, podKeyOf(record.endpoint), record);
    takeFrom(this.#byNamespace, record.endpoint.namespace, record);
  }
}

function* policiesOf(record: EndpointRecord): Generator<UsedPolicy> {
  yield* record.ingressPolicies;
  yield* record.egressPolicies;
  for (const { policy } of record.ingressClusterPolicies) yield policy;
  for (const { policy } of record.egressClusterPolicies) yield policy;
}

/** The list itself where all do, as most. */
function isolatingIn(policies: readonly CompiledPolicy[], direction: PolicyType): readonly CompiledPolicy[] {
  if (policies.every(({ types }) => types.has(direction))) return policies;
  return policies.filter(({ types }) => types.has(direction));
}

/** Almost always none. */
function unreadableOf(record: EndpointRecord): readonly UsedPolicy[] {
  let found: UsedPolicy[] | undefined;
  for (const policy of policiesOf(record)) if (policy.unreadable.length > 0) (found ??= []).push(policy);
  return found ?? NONE;
}

function endpointTable(records: readonly EndpointRecord[]): EndpointTable {
  const entries = records.map((record) => record.entry ?? entryOf(record));
  return {
    id: Uint32Array.from(records, ({ id }) => id),
    ingress: Uint32Array.from(entries, ({ ingress }) => ingress),
    egress: Uint32Array.from(entries, ({ egress }) => egress),
    ingressPolicies: entries.map(({ ingressPolicies }) => ingressPolicies),
    egressPolicies: entries.map(({ egressPolicies }) => egressPolicies),
  };
}

function entryOf(record: EndpointRecord): EndpointEntry {
  const ingressPolicies = keysOf(record.ingressPolicies, record.ingressClusterPolicies);
  const isAlike =
    record.ingressPolicies === record.egressPolicies &&
    record.ingressClusterPolicies.length + record.egressClusterPolicies.length === 0;
  return {
    ingress: ruleSetId(record, record.ingress),
    egress: ruleSetId(record, record.egress),
    ingressPolicies,
    egressPolicies: isAlike ? ingressPolicies : keysOf(record.egressPolicies, record.egressClusterPolicies),
  };
}

function isSameEntry(a: EndpointEntry, b: EndpointEntry): boolean {
  const isEqual = (left: readonly string[], right: readonly string[]): boolean =>
    left.length === right.length && left.every((key, i) => key === right[i]);
  return (
    a.ingress === b.ingress &&
    a.egress === b.egress &&
    isEqual(a.ingressPolicies, b.ingressPolicies) &&
    isEqual(a.egressPolicies, b.egressPolicies)
  );
}

function ruleSetId(record: EndpointRecord, ruleSet: RuleSet | undefined): number {
  return record.pod === undefined ? RULE_SET_CLOSED : (ruleSet?.id ?? RULE_SET_OPEN);
}

/** CNP-4, CNP-20, CNP-24. */
function havingASay(
  selected: readonly SelectedClusterPolicy[],
  direction: PolicyType,
  isolating: readonly CompiledPolicy[],
): readonly SelectedClusterPolicy[] {
  if (selected.length === 0) return selected;
  return selected.filter(({ policy }) => {
    return policy.has(direction) && (policy.tier === 'Admin' || isolating.length === 0);
  });
}

/** In the order in which they are asked. */
function keysOf(policies: readonly CompiledPolicy[], clusterPolicies: readonly SelectedClusterPolicy[]): string[] {
  if (clusterPolicies.length === 0) return policies.map(({ key }) => key);
  const inTier = (wanted: CompiledClusterPolicy['tier']): readonly string[] =>
    clusterPolicies.flatMap(({ policy: { tier, key } }) => (tier === wanted ? key : []));
  return [...inTier('Admin'), ...policies.map(({ key }) => key), ...inTier('Baseline')];
}

function podKeyOf(endpoint: LocalEndpoint): string {
  return `${endpoint.namespace}/${endpoint.name}`;
}

function addTo(sets: Map<string, Set<EndpointRecord>>, key: string, record: EndpointRecord): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([record]));
  else set.add(record);
}

function takeFrom(sets: Map<string, Set<EndpointRecord>>, key: string, record: EndpointRecord): void {
  const set = sets.get(key);
  set?.delete(record);
  if (set?.size === 0) sets.delete(key);
}
