/**
 * From the desired state of the cluster to the verdict tables of one node. Changes are taken as they come and cost
 * little; `compile` works off what they touched. The same state gives the same verdicts in whatever order it came; only
 * ids may differ.
 *
 * The order in which a compile settles its parts: nodes and pods (who claims which address) -> endpoints (rule sets) ->
 * terms in use -> groups of pods -> prefixes -> addresses -> classes -> port classes -> rows. Each knows what the ones
 * before it changed. Meaning of the ids: tables.ts.
 */
import { AddressBook } from './address-book.ts';
import { behindKey, firstKey } from './address-key.ts';
import { ClassTable } from './class-table.ts';
import { ClusterPolicyIndex } from './cluster-policy-index.ts';
import type { CompileProblem } from './compile-problem.ts';
import {
  describePeerClass,
  describePortClass,
  describeRuleSet,
  type PeerClassDescription,
  type PortClassDescription,
  type RuleSetDescription,
} from './describe.ts';
import { Endpoints } from './endpoints.ts';
import { LIMIT_PORT_CLASSES } from './ids.ts';
import type { ClusterChange, Labels } from './model.ts';
import { NodeState } from './node-state.ts';
import { PeerTerms, type TermChange } from './peer-terms.ts';
import { PodGroups } from './pod-groups.ts';
import { Pods } from './pods.ts';
import { PolicyIndex } from './policy-index.ts';
import { PortClasses } from './port-classes.ts';
import { PortMasks } from './port-masks.ts';
import { Prefixes } from './prefix-table.ts';
import { findProblems } from './report.ts';
import { RuleSets } from './rule-set.ts';
import type { TableDelta } from './table-delta.ts';
import type { VerdictTables } from './tables.ts';
import { TermSets } from './term-set.ts';

export type { CompileProblem } from './compile-problem.ts';

export interface CompilerOptions {
  /** Name of this node; its Node.addresses are the node's own. */
  readonly node: string;
  /** Ids that the kernel still uses from before; not given out until they are released. */
  readonly reserved?: {
    readonly ruleSets?: Iterable<number>;
    readonly peerClasses?: Iterable<number>;
    readonly portClasses?: Iterable<number>;
  };
  /** One more than the largest id of a port class. @default LIMIT_PORT_CLASSES */
  readonly portClassLimit?: number;
}

/** Ids that tables of that revision do not use and that are not free yet. Sorted. */
export interface RetiredIds {
  readonly revision: number;
  readonly ruleSets: readonly number[];
  readonly peerClasses: readonly number[];
  readonly portClasses: readonly number[];
}

/** How much the compiler keeps, for metrics. Numbers of ids count retired ones until they are released. */
export interface CompilerSizes {
  readonly podGroups: number;
  readonly peerTerms: number;
  readonly termSets: number;
  readonly ruleSets: number;
  readonly peerClasses: number;
  readonly portClasses: number;
}

export interface CompileResult extends CompileFindings {
  readonly tables: VerdictTables;
}

export interface DeltaResult extends CompileFindings {
  /** To the tables of the compile before, of whichever form. */
  readonly delta: TableDelta;
}

/** What a compile has to say besides its tables. */
export interface CompileFindings {
  /** When one is of kind `limit` the tables must not be applied. */
  readonly problems: readonly CompileProblem[];
  /** All of them, those of earlier compiles too: releasing the newest tables' is enough. */
  readonly retired: RetiredIds;
}

export class Compiler {
  readonly #sets = new TermSets();
  readonly #terms = new PeerTerms();
  readonly #masks = new PortMasks();
  readonly #policies = new PolicyIndex();
  readonly #clusterPolicies = new ClusterPolicyIndex();
  readonly #unreadable = new Map<string, readonly string[]>();
  readonly #portLimit: number;
  readonly #ports: PortClasses;
  readonly #classes: ClassTable;
  readonly #book: AddressBook;
  readonly #prefixes: Prefixes;
  readonly #groups: PodGroups;
  readonly #ruleSets: RuleSets;
  readonly #endpoints: Endpoints;
  readonly #pods: Pods;
  readonly #nodes: NodeState;
  #revision = 0;

  constructor(options: CompilerOptions) {
    const { node, reserved = {} } = options;
    this.#portLimit = options.portClassLimit ?? LIMIT_PORT_CLASSES;
    this.#ports = new PortClasses(reserved.portClasses ?? [], this.#portLimit);
    this.#classes = new ClassTable(this.#sets, this.#ports, reserved.peerClasses ?? []);
    this.#book = new AddressBook(this.#classes);
    this.#prefixes = new Prefixes(this.#sets, this.#classes);
    this.#groups = new PodGroups(this.#terms, this.#sets);
    const parts = { terms: this.#terms, ports: this.#ports, masks: this.#masks, classes: this.#classes };
    this.#ruleSets = new RuleSets(parts, reserved.ruleSets ?? []);
    this.#endpoints = new Endpoints({
      book: this.#book,
      policies: this.#policies,
      clusterPolicies: this.#clusterPolicies,
      namespaceLabels: (name) => this.#groups.namespaceLabels(name),
      ruleSets: this.#ruleSets,
      unreadable: this.#unreadable,
    });
    this.#pods = new Pods(this.#groups, this.#book, this.#endpoints, this.#unreadable);
    this.#nodes = new NodeState(node, this.#book, this.#unreadable);
  }

  /** Takes one change; nothing is compiled yet. Deleting what is not known changes nothing. */
  update(change: ClusterChange): void {
    switch (change.kind) {
      case 'Namespace':
        if (change.op === 'set') this.#setNamespace(change.object.name, change.object.labels);
        else this.#setNamespace(change.key, undefined);
        return;
      case 'Pod':
        if (change.op === 'set') this.#pods.set(change.object);
        else this.#pods.delete(change.key);
        return;
      case 'NetworkPolicy': {
        const concerned = change.op === 'set' ? this.#policies.set(change.object) : this.#policies.delete(change.key);
        for (const policy of concerned) this.#endpoints.policyChanged(policy);
        return;
      }
      case 'ClusterNetworkPolicy': {
        const { op } = change;
        const concerned =
          op === 'set' ? this.#clusterPolicies.set(change.object) : this.#clusterPolicies.delete(change.key);
        for (const policy of concerned) this.#endpoints.clusterPolicyChanged(policy);
        return;
      }
      case 'Node':
        if (change.op === 'set') this.#nodes.set(change.object);
        else this.#nodes.delete(change.key);
        return;
      case 'LocalEndpoint':
        this.#pods.touch(change.op === 'set' ? this.#endpoints.set(change.object) : this.#endpoints.delete(change.id));
        return;
      case 'NodeAddresses':
        this.#nodes.setInterfaceAddresses(change.object);
        return;
    }
  }

  /** The tables of everything taken so far. They share nothing with the compiler: they can be transferred. */
  compile(): CompileResult {
    this.#settle();
    return { tables: this.#tables(), ...this.#findings() };
  }

  /** The same as what changed since the compile before: costs what the changes are, whatever the size of the cluster. */
  compileDelta(): DeltaResult {
    const base = this.#revision;
    this.#settle();
    const delta: TableDelta = {
      base,
      revision: this.#revision,
      addresses: this.#book.changes(),
      prefixes: this.#prefixes.changes(),
      ports: this.#ports.changes(),
      ...this.#ruleSets.rowChanges(),
      ...this.#endpoints.changes(),
    };
    return { delta, ...this.#findings() };
  }

  /**
   * Lets retired ids be used again. To be called once tables that do not use them are in force and every packet that
   * could have seen the tables before is through (the kernel's grace period). Ids that came back into use stay.
   */
  release(retired: RetiredIds): void {
    this.#ruleSets.releaseIds(retired.ruleSets, retired.revision);
    this.#classes.releaseIds(retired.peerClasses, retired.revision);
    this.#ports.releaseIds(retired.portClasses, retired.revision);
  }

  sizes(): CompilerSizes {
    return {
      podGroups: this.#groups.size,
      peerTerms: this.#terms.size,
      termSets: this.#sets.size,
      ruleSets: this.#ruleSets.size,
      peerClasses: this.#classes.size,
      portClasses: this.#ports.size,
    };
  }

  /** Undefined when the id was never given out, or was released. The same holds for the other two. */
  describeRuleSet(id: number): RuleSetDescription | undefined {
    return describeRuleSet(id, this.#ruleSets.get(id)?.content);
  }

  describePeerClass(id: number): PeerClassDescription | undefined {
    return describePeerClass(id, this.#classes.get(id));
  }

  describePortClass(id: number): PortClassDescription | undefined {
    return describePortClass(id, this.#ports.get(id));
  }

  #settle(): void {
    this.#revision += 1;
    const podCidrsChanged = this.#nodes.settle();
    this.#pods.settle();
    this.#endpoints.settle();
    const bornRuleSets = this.#ruleSets.settle(this.#revision);
    const terms = this.#terms.settle();
    for (const group of this.#groups.settle(terms)) {
      for (const member of group.members) this.#pods.touchAddresses(member);
    }
    this.#settlePrefixes(terms, podCidrsChanged);
    this.#book.settle(this.#prefixes.lookUp);
    const classes = this.#classes.settle(this.#revision);
    if (this.#ports.settle(this.#revision)) {
      this.#masks.refresh(this.#ports.records());
      this.#ruleSets.invalidateRows();
    }
    this.#ruleSets.settleRows(bornRuleSets, classes);
    this.#sets.sweep();
  }

  #setNamespace(name: string, labels: Labels | undefined): void {
    this.#groups.setNamespace(name, labels);
    this.#endpoints.namespaceChanged(name);
  }

  #settlePrefixes(terms: TermChange, podCidrsChanged: boolean): void {
    this.#prefixes.settle(terms, podCidrsChanged ? this.#nodes.podCidrs() : undefined);
    for (const { peer } of [...terms.added, ...terms.gone]) {
      if (peer.kind === 'block') this.#book.touchRange(firstKey(peer.cidr), behindKey(peer.cidr));
    }
  }

  #tables(): VerdictTables {
    return {
      revision: this.#revision,
      addresses: this.#book.table(),
      prefixes: this.#prefixes.table(),
      ports: this.#ports.table(),
      rows: this.#ruleSets.rowTable(),
      endpoints: this.#endpoints.table(),
    };
  }

  #findings(): CompileFindings {
    return { problems: this.#problems(), retired: this.#retired() };
  }

  #problems(): CompileProblem[] {
    return findProblems({
      sizes: { rows: this.#ruleSets.rowCount, prefixes: this.#prefixes.size, addresses: this.#book.size },
      endpoints: this.#endpoints.values(),
      contested: this.#book.contested(),
      policies: () => this.#endpoints.policiesInUse(),
      unreadablePolicies: this.#endpoints.unreadablePolicies(),
      ties: this.#clusterPolicies.ties(),
      unreadable: this.#unreadable,
      portClasses: { taken: this.#ports.size, missing: this.#ports.missing, limit: this.#portLimit },
    });
  }

  #retired(): RetiredIds {
    return {
      revision: this.#revision,
      ruleSets: this.#ruleSets.retiredIds(),
      peerClasses: this.#classes.retiredIds(),
      portClasses: this.#ports.retiredIds(),
    };
  }
}
