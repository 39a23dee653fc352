/**
 * ADD and DEL: from a CNI request to a pod whose policy is enforced, and back to nothing.
 *
 * ADD, in this order, so that no packet passes before it is judged and a crash at any point can be undone:
 * 1. the pod is known (the desired state may lag behind the runtime: a bounded wait);
 * 2. addresses; 3. the endpoint's id and its record on disk; 4. the veth, its host end down;
 * 5. programs attached, closed; 6. the compiler learns the endpoint, tables in force; 7. host end up; 8. record `ready`.
 */
import type { Snapshot } from '../cluster/snapshot.ts';
import { CniCode, CniError } from '../cni/error.ts';
import type { AddedPod, AddRequest, PodNetwork, RemoveRequest } from '../cni/pod-network.ts';
import type { Attachment } from '../cni/request.ts';
import type { Datapath } from '../datapath/datapath.ts';
import { IpamError } from '../ipam/ipam-error.ts';
import type { Ipam } from '../ipam/ipam.ts';
import type { Owner } from '../ipam/owner.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { ClusterChange, Pod } from '../policy/model.ts';
import type { EndpointRecord, EndpointRecords } from './endpoint-record.ts';
import type { Log } from '../lib/log.ts';
import type { Reconciler } from './reconciler.ts';
import { WiringError } from './wiring/error.ts';
import { hostInterfaceName, randomMac } from './wiring/name.ts';
import type { NodeNetwork } from './wiring/node.ts';
import { GATEWAYS, startPod, unwirePod, wirePod } from './wiring.ts';

const POD_POLL_MS = 20;

export interface PodNetworkParts {
  readonly instance: string;
  readonly mtu: number;
  readonly podWaitMs: number;
  readonly node: NodeNetwork;
  readonly snapshot: Snapshot;
  readonly ipam: Ipam;
  readonly records: EndpointRecords;
  readonly datapath: Datapath;
  readonly reconciler: Reconciler;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: (size: number) => Uint8Array;
}

/** What an ADD has made so far, as the way to take it back; run in reverse. */
type Undo = () => Promise<unknown>;

export class AgentPodNetwork implements PodNetwork {
  readonly #parts: PodNetworkParts;

  constructor(parts: PodNetworkParts) {
    this.#parts = parts;
  }

  async add(request: AddRequest, signal: AbortSignal): Promise<AddedPod> {
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
    const name = record?.hostInterface ?? this.#hostName(request);
    if (record !== undefined) this.#forget(record);
    await unwirePod(this.#parts.node, this.#parts.instance, name);
    if (record !== undefined) await this.#parts.datapath.detachEndpoint(record.id);
    await this.#parts.ipam.release(this.#owner(request));
    if (record !== undefined) {
      await this.#parts.records.remove(record);
      this.#parts.log.info({ pod: `${record.namespace}/${record.pod}`, addresses: record.addresses }, 'pod removed');
    }
  }

  async #wire(request: AddRequest, signal: AbortSignal, undo: Undo[]): Promise<AddedPod> {
    const { ipam, records, datapath, reconciler, node, snapshot } = this.#parts;
    const pod = await this.#awaitPod(request, signal);
    const owner = this.#owner(request);
    const addresses = ipam.allocate({ owner, inUse: (address) => snapshot.isPodAddress(address) });
    undo.push(() => ipam.release(owner));

    const id = await records.nextId(Math.max(0, ...datapath.endpoints().keys()));
    const planned = this.#plan(request, pod, id, addresses);
    undo.push(() => records.remove(planned));
    await records.put(planned);
    const wired = wirePod(node, {
      hostName: planned.hostInterface,
      ifname: planned.ifname,
      netnsFd: request.netnsHandle.fd,
      addresses,
      mac: planned.mac,
      hostMac: planned.hostMac,
      mtu: this.#parts.mtu,
    });
    undo.push(() => unwirePod(node, this.#parts.instance, planned.hostInterface));

    undo.push(() => datapath.detachEndpoint(id));
    // Also when attaching fails half-way: the tables that follow clear what the maps have of it.
    undo.push(async () => this.#forget(planned));
    const { mac, hostMac } = planned;
    await datapath.attachEndpoint({ id, ifindex: wired.hostIndex, addresses, mac, hostMac, noPeer: false });
    const { namespace, name, uid } = pod;
    const change = this.#submit([
      { kind: 'LocalEndpoint', op: 'set', object: { id, namespace, name, uid: request.pod.uid ?? uid, addresses } },
    ]);
    await reconciler.realized(change);
    startPod(node, wired);
    await records.put({ ...planned, state: 'ready', ifindex: wired.hostIndex });
    this.#parts.log.info({ pod: `${namespace}/${name}`, addresses, interface: planned.hostInterface }, 'pod wired');
    return resultOf(planned, this.#parts.mtu);
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
    };
  }

  /** The pod that the runtime names. The desired state may learn of it later than the runtime (NP-124). */
  async #awaitPod(request: AddRequest, signal: AbortSignal): Promise<Pod> {
    const { namespace, name, uid } = request.pod;
    if (namespace === undefined || name === undefined) {
      throw new CniError(
        CniCode.invalidEnvironment,
        'CNI_ARGS names no pod',
        'K8S_POD_NAMESPACE and K8S_POD_NAME are needed: Sluice wires Kubernetes pods',
      );
    }
    const { clock, podWaitMs, snapshot } = this.#parts;
    const deadlineMs = clock.monotonicMs() + podWaitMs;
    for (;;) {
      const pod = snapshot.pod(namespace, name);
      if (pod !== undefined && (pod.uid === '' || uid === undefined || pod.uid === uid)) return checkPod(pod);
      if (signal.aborted) throw new CniError(CniCode.tryAgain, 'the runtime has given up');
      if (clock.monotonicMs() >= deadlineMs) throw unknownPod(`${namespace}/${name}`, uid, pod, podWaitMs);
      await new Promise<void>((resolve) => clock.schedule(POD_POLL_MS, resolve));
    }
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

function checkPod(pod: Pod): Pod {
  if (!pod.hostNetwork) return pod;
  throw new CniError(
    CniCode.invalidEnvironment,
    `pod ${pod.namespace}/${pod.name} has hostNetwork: it gets no interface`,
  );
}

function unknownPod(key: string, uid: string | undefined, found: Pod | undefined, waitMs: number): CniError {
  const waited = `waited ${waitMs / 1000} s`;
  if (found === undefined) return new CniError(CniCode.tryAgain, `pod ${key} is not in the desired state`, waited);
  return new CniError(CniCode.tryAgain, `pod ${key} has uid ${found.uid}, not ${uid}`, waited);
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
