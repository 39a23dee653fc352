/**
 * The desired state as it comes in: from the source, from the node's own interfaces, and the endpoints of an earlier
 * agent. Everything goes into the snapshot and to the compiler; nothing is enforced before `begin`, because tables that do
 * not name an endpoint close it: the first ones must know everything.
 */
import type { Snapshot } from '../cluster/snapshot.ts';
import type { ClusterSource, ClusterUpdate, ObjectProblem } from '../cluster/source.ts';
import type { ClusterChange } from '../policy/model.ts';
import type { ServiceChange } from '../service/model.ts';
import type { EndpointRecord } from './endpoint-record.ts';
import type { RealizeTimer } from './observe/realize-timer.ts';
import type { Reconciler } from './reconciler.ts';

export interface DesiredStateParts {
  readonly snapshot: Snapshot;
  readonly reconciler: Reconciler;
  readonly source: ClusterSource;
  /** Name of this node. */
  readonly node: string;
  readonly timer: Pick<RealizeTimer, 'submitted'>;
}

export class DesiredState {
  readonly #parts: DesiredStateParts;
  readonly #followers: (() => void)[] = [];
  #problems: readonly ObjectProblem[] = [];

  constructor(parts: DesiredStateParts) {
    this.#parts = parts;
  }

  /** As the source told them last. */
  problems(): readonly ObjectProblem[] {
    return this.#problems;
  }

  /**
   * For parts of the agent that follow objects of the snapshot.
   * @param look called after every update of the source, when the snapshot has it. Must not throw.
   */
  follow(look: () => void): void {
    this.#followers.push(look);
  }

  take({ changes, services, problems }: ClusterUpdate): void {
    if (changes.length > 0 || services.length > 0) this.submit(changes, services);
    this.#problems = problems;
    for (const look of this.#followers) look();
  }

  /** Returns the number to wait for, as the reconciler counts. */
  submit(changes: readonly ClusterChange[], services: readonly ServiceChange[] = []): number {
    const { snapshot, reconciler, timer } = this.#parts;
    const hasPodAddress = changes.some((change) => this.#isNewPodAddress(change));
    snapshot.apply(changes);
    const sequence = reconciler.submit(changes, services);
    timer.submitted(sequence, hasPodAddress);
    return sequence;
  }

  setNodeAddresses(list: readonly string[]): void {
    this.submit([{ kind: 'NodeAddresses', op: 'set', object: list }]);
  }

  /** The endpoints of an earlier agent. */
  adoptEndpoints(records: readonly EndpointRecord[]): void {
    this.submit(
      records.map(({ id, namespace, pod, uid, addresses }) => ({
        kind: 'LocalEndpoint',
        op: 'set',
        object: { id, namespace, name: pod, uid, addresses },
      })),
    );
  }

  /** Until its class is in force, the address is closed to isolated pods. */
  #isNewPodAddress(change: ClusterChange): boolean {
    if (change.kind !== 'Pod' || change.op !== 'set' || change.object.hostNetwork) return false;
    const { snapshot, node } = this.#parts;
    return change.object.nodeName !== node && change.object.podIPs.some((address) => !snapshot.isPodAddress(address));
  }

  /** What the source holds now, and everything taken in so far, is in force when it resolves. */
  async settle(): Promise<void> {
    const { source, reconciler } = this.#parts;
    await source.sync();
    await reconciler.realized(reconciler.state().submitted);
  }
}
