/**
 * This node's podCIDRs, from its Node object: they feed IPAM, and addresses of them that no pod has lead nowhere. One that
 * overlaps a podCIDR of another node is given addresses of by one of the two only (routing/pod-range.ts says which), or an
 * address could be two pods'. Pods keep the addresses that they have.
 */
import type { Snapshot } from '../cluster/snapshot.ts';
import type { ObjectProblem } from '../cluster/source.ts';
import type { Ipam } from '../ipam/ipam.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Node } from '../policy/model.ts';
import { assignRanges, type RangeConflict } from './routing/pod-range.ts';
import { ensureUnreachable, type NodeNetwork, removeUnreachable } from './wiring/node.ts';

export interface NodeRangesParts {
  readonly nodeName: string;
  readonly snapshot: Snapshot;
  readonly ipam: Ipam;
  readonly node: NodeNetwork;
  readonly log: Log;
}

export class NodeRanges {
  readonly #parts: NodeRangesParts;
  #podCidrs: readonly string[] = [];
  #problems: readonly ObjectProblem[] = [];
  /** Nodes that the conflicts were found among. */
  #seen: ReadonlyMap<string, Node> = new Map();
  #conflicts: readonly RangeConflict[] = [];

  constructor(parts: NodeRangesParts) {
    this.#parts = parts;
  }

  /** Those that addresses are given from; empty until the Node object has some. */
  get podCidrs(): readonly string[] {
    return this.#podCidrs;
  }

  /** Why the Node object's podCIDRs are not those in use. */
  problems(): readonly ObjectProblem[] {
    return this.#problems;
  }

  /** Looks at the snapshot again. */
  follow(): void {
    const { snapshot, nodeName, ipam, node, log } = this.#parts;
    const asked = snapshot.nodes.get(nodeName)?.podCIDRs ?? [];
    this.#lookAtOthers(snapshot.nodes);
    const refused = this.#conflicts.flatMap(({ refused: { node: other, text } }) => (other === nodeName ? [text] : []));
    const podCidrs = asked.filter((cidr) => !refused.includes(cidr));
    this.#problems = [
      ...(asked.length > 0 ? [] : [noRange(nodeName, snapshot.nodes.has(nodeName))]),
      ...this.#conflicts.map(conflictProblem),
    ];
    if (podCidrs.join() === this.#podCidrs.join()) return;
    try {
      ipam.configure(podCidrs);
      const gone = this.#podCidrs.filter((cidr) => !podCidrs.includes(cidr));
      removeUnreachable(node, gone);
      ensureUnreachable(node, podCidrs);
      this.#podCidrs = podCidrs;
      log.info({ pod_cidrs: podCidrs }, 'address ranges of this node');
    } catch (error) {
      this.#problems = [...this.#problems, nodeProblem('error', nodeName, 'spec.podCIDRs', errorMessage(error))];
    }
  }

  /** Only what concerns this node. */
  #lookAtOthers(nodes: ReadonlyMap<string, Node>): void {
    const isSame = nodes.size === this.#seen.size && nodes.values().every((node) => this.#seen.get(node.name) === node);
    if (isSame) return;
    this.#seen = new Map(nodes);
    const { nodeName } = this.#parts;
    this.#conflicts = assignRanges(nodes.values()).conflicts.filter(
      ({ refused, other }) => (refused.node === nodeName || other.node === nodeName) && refused.node !== other.node,
    );
  }
}

function conflictProblem({ refused, other }: RangeConflict): ObjectProblem {
  return nodeProblem(
    'error',
    refused.node,
    'spec.podCIDRs',
    `${refused.text} overlaps ${other.text} of node ${other.node}: pods of node ${refused.node} get no addresses of it`,
    'give one of the two nodes another range; pods that have an address of it should be made anew',
  );
}

function noRange(node: string, isKnown: boolean): ObjectProblem {
  return isKnown
    ? nodeProblem('warning', node, 'spec.podCIDRs', 'there are none: no pod of this node can get an address')
    : nodeProblem('warning', node, '', 'is not in the desired state: no pod of this node can get an address');
}

function nodeProblem(
  severity: ObjectProblem['severity'],
  name: string,
  path: string,
  message: string,
  hint = '',
): ObjectProblem {
  const object = { apiVersion: 'v1', kind: 'Node', namespace: '', name };
  return { severity, object, file: undefined, place: undefined, path, message, hint };
}
