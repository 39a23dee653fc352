/**
 * ADD and DEL: from a CNI request to a pod whose policy is enforced, and back to nothing.
 *
 * ADD, in this order, so that no packet passes before it is judged and a crash at any point can be undone:
 * 1. the pod is known (the desired state may lag behind the runtime: a bounded wait);
 * 2. addresses; 3. the endpoint's id and its record on disk; 4. the veth, its host end down;
 * 5. programs attached, closed; 6. the compiler learns the endpoint, tables in force; 7. host end up; 8. record `ready`.
 * Behind the answer the pod gets its lasting attachments (settling.ts).
 *
 * DEL: 1. the endpoint is out of the maps: nothing passes, its addresses are nobody's; 2. record `removing`: from here on
 * the attachment is gone, whatever happens; 3. the answer. Behind it (removals.ts): interface, attachments, addresses, which
 * then rest, and the record. The next ADD of the attachment waits for that.
 */
import type { Snapshot } from '../cluster/snapshot.ts';
import { CniCode, CniError } from '../cni/error.ts';
import type { AddedPod, AddRequest, CheckRequest, PodNetwork, RemoveRequest } from '../cni/pod-network.ts';
import type { Attachment } from '../cni/request.ts';
import type { Datapath } from '../datapath/datapath.ts';
import { IpamError } from '../ipam/ipam-error.ts';
import type { Ipam } from '../ipam/ipam.ts';
import type { Owner } from '../ipam/owner.ts';
import { errorMessage } from '../lib/errors.ts';
import type { ClusterChange, Pod } from '../policy/model.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { EndpointRecord, EndpointRecords, LeavingRecord } from './endpoint-record.ts';
import type { PodLookup } from './pod-lookup.ts';
import type { Reconciler } from './reconciler.ts';
import { differencesOf } from './pod-check.ts';
import { Removals } from './removals.ts';
import { Settling } from './settling.ts';
import { WiringError } from './wiring/error.ts';
import { hostInterfaceName, randomMac } from './wiring/name.ts';
import type { NodeNetwork } from './wiring/node.ts';
import { GATEWAYS, startPod, unwirePod, type WiredPod, wirePod } from './wiring.ts';

export interface PodNetworkParts {
  readonly instance: string;
  /** Of a pod that is wired now. */
  readonly mtu: () => number;
  readonly node: NodeNetwork;
  readonly snapshot: Snapshot;
  readonly pods: PodLookup;
  readonly ipam: Ipam;
  readonly records: EndpointRecords;
  readonly datapath: Datapath;
  readonly reconciler: Reconciler;
  /** Why no pod can be added whatever it is; undefined when one can. */
  readonly notReady: () => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: (size: number) => Uint8Array;
}

/** What an ADD has made so far, as the way to take it back; run in reverse. */
type Undo = () => Promise<unknown>;

export class AgentPodNetwork implements PodNetwork, AsyncDisposable {
  readonly #parts: PodNetworkParts;
  readonly #removals: Removals;
  readonly #settling: Settling;

  constructor(parts: PodNetworkParts) {
    this.#parts = parts;
    const { clock, log, datapath } = parts;
    this.#removals = new Removals({ remove: (record) => this.#removeRest(record), clock, log });
    this.#settling = new Settling({ settle: (id) => datapath.settleEndpoint(id), clock, log });
  }

  /** Nothing is left to be done behind answers, as far as it can be done. */
  async settled(): Promise<void> {
    await this.#settling.flush();
    await this.#removals.idle();
  }

  /** What is left to be done the next start does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#settling[Symbol.asyncDispose]();
    await this.#removals[Symbol.asyncDispose]();
  }

  async add(request: AddRequest, signal: AbortSignal): Promise<AddedPod> {
    this.#settling.touch();
    await this.#removals.finish(request);
    if (this.#parts.records.get(this.#owner(request)) !== undefined) {
      throw new CniError(
        CniCode.invalidEnvironment,
        `container ${request.containerId} has interface ${request.ifname} already`,
        'the runtime must DEL it before it is ADDed again',
      );
    }
    const undo: Undo[] = [];
    try {
      return await this.#wire(request, signal, undo);
    } catch (error) {
      await this.#takeBack(undo, request);
      throw cniErrorOf(error);
    }
  }

  async remove(request: RemoveRequest): Promise<void> {
    const record = this.#parts.records.get(this.#owner(request));
    if (record !== undefined) {
      await this.#leave(record);
      return;
    }
    // Its DEL was answered before.
    if (this.#removals.has(request)) return;
    await unwirePod(this.#parts.node, this.#parts.instance, this.#hostName(request));
    await this.#parts.ipam.release(this.#owner(request));
  }

  async check(request: CheckRequest): Promise<void> {
    const { node, datapath, ipam } = this.#parts;
    const record = this.#parts.records.get(this.#owner(request));
    if (record?.state !== 'ready') {
      throw new CniError(
        CniCode.unknownContainer,
        `container ${request.containerId} has no interface ${request.ifname} of this network`,
      );
    }
    const { id, ifindex, addresses, mac, hostMac, noPeer = false } = record;
    const held = new Set(ipam.find(this.#owner(record))?.addresses);
    const differences = [
      ...differencesOf(node, record, request),
      ...datapath.missingOf({ id, ifindex, addresses, mac, hostMac, noPeer }).map((what) => `missing: ${what}`),
      ...addresses.filter((address) => !held.has(address)).map((address) => `${address} is not reserved for the pod`),
    ];
    if (differences.length === 0) return;
    throw new CniError(
      CniCode.checkFailed,
      `the network of pod ${record.namespace}/${record.pod} is not as ADD made it: ${differences.join('; ')}`,
      'delete the pod, so that it is made anew',
    );
  }

  /** 51 when pods that run are concerned too: what was asked for last is not in force on them. */
  status(): void {
    const { notReady, reconciler, ipam, records } = this.#parts;
    const { failure } = reconciler.state();
    if (failure !== '') {
      const code = records.list().length > 0 ? CniCode.limitedConnectivity : CniCode.notAvailable;
      throw new CniError(code, 'the newest policies are not in force', failure);
    }
    const reason = notReady();
    if (reason !== undefined) throw new CniError(CniCode.notAvailable, reason, 'the agent goes on by itself');
    const shortage = ipam.shortage();
    if (shortage !== undefined) throw new CniError(CniCode.notAvailable, shortage.message, shortage.code);
  }

  attachments(network: string): readonly Attachment[] {
    return this.#parts.records.list().filter((record) => record.network === network);
  }

  async #leave(record: EndpointRecord): Promise<void> {
    this.#settling.remove(record.id);
    try {
      await this.#parts.datapath.closeEndpoint(record.id);
      const leaving = await this.#writeLeaving(record);
      if (leaving === undefined) await this.#removeRest(record);
      else this.#removals.begin(leaving);
    } catch (error) {
      const message = `interface ${record.hostInterface} cannot be removed`;
      throw new CniError(CniCode.tryAgain, message, errorMessage(error), { cause: error });
    } finally {
      this.#forget(record);
    }
  }

  /** Undefined when it cannot be written: a pod can be deleted on a full disk too, only not behind the answer. */
  async #writeLeaving(record: EndpointRecord): Promise<LeavingRecord | undefined> {
    try {
      return await this.#parts.records.leave(record);
    } catch (error) {
      this.#parts.log.warn({ err: error }, `the removal of ${record.hostInterface} cannot be written down`);
      return undefined;
    }
  }

  /** The addresses are the last to go, so that nobody has them while anything of the pod is left. */
  async #removeRest(record: EndpointRecord | LeavingRecord): Promise<void> {
    const { node, instance, datapath, ipam, records, log } = this.#parts;
    await unwirePod(node, instance, record.hostInterface);
    // Before it the kernel would wait for two grace periods: with the interface gone there is nothing to detach from.
    await datapath.detachEndpoint(record.id);
    await ipam.release(this.#owner(record));
    await records.remove(record);
    log.info({ pod: `${record.namespace}/${record.pod}`, addresses: record.addresses }, 'pod removed');
  }

  async #wire(request: AddRequest, signal: AbortSignal, undo: Undo[]): Promise<AddedPod> {
    const { pods, ipam, records, datapath, reconciler, node, snapshot } = this.#parts;
    const pod = await pods.find(request.pod, signal);
    const owner = this.#owner(request);
    const addresses = ipam.allocate({ owner, inUse: (address) => snapshot.isPodAddress(address) });
    undo.push(() => ipam.release(owner));

    const id = await records.nextId(Math.max(0, ...datapath.endpoints().keys()));
    const planned = this.#plan(request, pod, id, addresses);
    // Also when attaching fails half-way: the tables that follow clear what the maps have of it.
    undo.push(async () => this.#forget(planned));
    // The compiler works while the interface is made; what it finds is not in force before programs are attached.
    const { namespace, pod: name, uid } = planned;
    const change = this.#submit([
      { kind: 'LocalEndpoint', op: 'set', object: { id, namespace, name, uid, addresses } },
    ]);
    const attaching = this.#attach(planned, request, undo);
    reconciler.after(attaching);
    const wired = await attaching;
    await reconciler.realized(change);
    startPod(node, wired);
    await records.put({ ...planned, state: 'ready', ifindex: wired.hostIndex });
    this.#settling.add(id);
    this.#parts.log.info({ pod: `${namespace}/${name}`, addresses, interface: planned.hostInterface }, 'pod wired');
    return resultOf(planned, wired.mtu);
  }

  async #attach(planned: EndpointRecord, request: AddRequest, undo: Undo[]): Promise<WiredPod> {
    const { records, datapath, node, instance } = this.#parts;
    const { id, addresses, mac, hostMac, noPeer = false } = planned;
    undo.push(() => records.remove(planned));
    await records.put(planned);
    const wired = wirePod(node, {
      hostName: planned.hostInterface,
      ifname: planned.ifname,
      netnsFd: request.netnsHandle.fd,
      addresses,
      mac,
      hostMac,
      mtu: this.#parts.mtu(),
    });
    undo.push(() => unwirePod(node, instance, planned.hostInterface));
    undo.push(() => datapath.detachEndpoint(id));
    const wiring = { id, ifindex: wired.hostIndex, addresses, mac, hostMac, noPeer };
    // What is to hang on a shaped pod's interface finds no room beside filters.
    await datapath.attachEndpoint(wiring, noPeer ? 'lasting' : 'at-once');
    return wired;
  }

  #plan(request: AddRequest, pod: Pod, id: number, addresses: readonly string[]): EndpointRecord {
    return {
      id,
      state: 'wiring',
      containerId: request.containerId,
      ifname: request.ifname,
      netns: request.netns,
      namespace: pod.namespace,
      pod: pod.name,
      uid: request.pod.uid ?? pod.uid,
      hostInterface: this.#hostName(request),
      ifindex: 0,
      addresses,
      mac: randomMac(this.#parts.random),
      hostMac: randomMac(this.#parts.random),
      network: request.config.name,
      noPeer: request.config.isShaped,
    };
  }

  #forget(record: EndpointRecord): void {
    this.#submit([{ kind: 'LocalEndpoint', op: 'delete', id: record.id }]);
  }

  #submit(changes: readonly ClusterChange[]): number {
    this.#parts.snapshot.apply(changes);
    return this.#parts.reconciler.submit(changes);
  }

  /** Record and address are the last to go: when a step fails they stay, and lead the DEL, or the next start, to the rest. */
  async #takeBack(undo: readonly Undo[], { containerId, ifname }: Attachment): Promise<void> {
    try {
      for (const step of undo.toReversed()) await step();
    } catch (error) {
      const fields = { container: containerId, interface: ifname, err: error };
      this.#parts.log.error(fields, 'a failed ADD left something; its DEL removes it');
    }
  }

  #owner(attachment: Attachment): Owner {
    return { network: this.#parts.instance, containerId: attachment.containerId, ifname: attachment.ifname };
  }

  /** A DEL names no network, and a container has an interface name once: the instance stands for the network. */
  #hostName({ containerId, ifname }: Attachment): string {
    return hostInterfaceName(this.#parts.instance, containerId, ifname, this.#parts.instance);
  }
}

function resultOf(record: EndpointRecord, mtu: number): AddedPod {
  const families = record.addresses.map((address) => (address.includes(':') ? 6 : 4));
  return {
    hostInterface: { name: record.hostInterface, mac: record.hostMac },
    podInterface: { mac: record.mac },
    mtu,
    addresses: record.addresses.map((address, i) => ({
      address: `${address}/${families[i] === 4 ? 32 : 128}`,
      gateway: GATEWAYS[families[i]!],
    })),
    routes: families.map((family) => ({ dst: family === 4 ? '0.0.0.0/0' : '::/0', gw: GATEWAYS[family] })),
  };
}

/** What the runtime has to hear; what this does not know stays as it is, and is told as an internal error. */
function cniErrorOf(error: unknown): unknown {
  if (error instanceof IpamError) {
    return new CniError(CniCode.tryAgain, error.message, error.code, { cause: error });
  }
  if (error instanceof WiringError) {
    const code = error.code === 'WIRING_OWN_NAMESPACE' ? CniCode.invalidNetns : CniCode.invalidEnvironment;
    return new CniError(code, error.message, error.code, { cause: error });
  }
  if (error instanceof CniError) return error;
  return new CniError(CniCode.tryAgain, 'the pod could not be wired', errorMessage(error), { cause: error });
}
