/**
 * A pod as the kubelet and the container runtime bring it to life: a manifest without status, a namespace, ADD through
 * the real launcher, then the status with the addresses; and the way back.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { AddressPair } from './address-plan.ts';
import { cniAdd, type CniAttachment, cniDel, type CniInstance, type CniResult } from './cni-call.ts';
import type { Ledger } from './ledger.ts';
import type { ManifestFolder, ManifestObject } from './manifest-folder.ts';
import { NameServer, type ServedPort } from './name-server.ts';
import type { TestNetns } from './netns.ts';
import type { NodeHost } from './node-host.ts';

export const POD_INTERFACE = 'eth0';
const CONTAINER_ID_BYTES = 32;

export interface ContainerPort extends ServedPort {
  /** `serve-<port>-<protocol>` when absent, as in the upstream tests. */
  readonly name?: string;
}

export interface PodSpec {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly ContainerPort[];
}

export class PodHost {
  readonly spec: PodSpec;
  readonly node: NodeHost;
  readonly netns: TestNetns;
  readonly attachment: CniAttachment;
  readonly #instance: CniInstance;
  readonly #manifests: ManifestFolder;
  #labels: Readonly<Record<string, string>>;
  #result: CniResult | undefined;
  #server: NameServer | undefined;

  /** Nothing happens before `start`. */
  constructor(ledger: Ledger, spec: PodSpec, node: NodeHost, instance: CniInstance, manifests: ManifestFolder) {
    this.spec = spec;
    this.node = node;
    this.netns = ledger.makeNetns(`${spec.namespace}-${spec.name}`);
    this.#instance = instance;
    this.#manifests = manifests;
    this.#labels = spec.labels;
    this.attachment = {
      containerId: randomBytes(CONTAINER_ID_BYTES).toString('hex'),
      netns: this.netns.path,
      interfaceName: POD_INTERFACE,
      podNamespace: spec.namespace,
      podName: spec.name,
      podUid: randomUUID(),
    };
    ledger.add(`servers of ${this.key}`, () => this.#server?.close());
  }

  /** `namespace/name`, which its servers answer with. */
  get key(): string {
    return `${this.spec.namespace}/${this.spec.name}`;
  }

  /** What ADD gave back. */
  get result(): CniResult {
    if (this.#result === undefined) throw new Error(`pod ${this.key} has no network`);
    return this.#result;
  }

  get addresses(): AddressPair {
    const addresses = this.result.ips.map(({ address }) => address.slice(0, address.indexOf('/')));
    const ipv4 = addresses.find((address) => !address.includes(':'));
    const ipv6 = addresses.find((address) => address.includes(':'));
    if (ipv4 === undefined || ipv6 === undefined) throw new Error(`pod ${this.key} has not both families`);
    return { ipv4, ipv6 };
  }

  /** Wires it, serves its ports, and then tells the cluster its addresses. @throws CniCallError when ADD fails. */
  async start(): Promise<void> {
    this.#manifests.apply(this.manifest());
    this.#result = await cniAdd(this.#instance, this.attachment);
    this.#server = await NameServer.open(this.netns, this.key, this.spec.ports);
    this.#manifests.apply(this.manifest());
  }

  /** In force when the agents have synced. */
  setLabels(labels: Readonly<Record<string, string>>): void {
    this.#labels = labels;
    this.#manifests.apply(this.manifest());
  }

  /** DEL, then the namespace and the manifest go. */
  async stop(): Promise<void> {
    this.#server?.close();
    this.#server = undefined;
    await cniDel(this.#instance, this.attachment);
    this.#result = undefined;
    this.netns.remove();
    this.#manifests.delete(this.manifest());
  }

  /** As the API server has it now. */
  manifest(phase = 'Running'): ManifestObject {
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        namespace: this.spec.namespace,
        name: this.spec.name,
        uid: this.attachment.podUid,
        labels: this.#labels,
      },
      spec: {
        nodeName: this.node.name,
        containers: [
          {
            name: 'server',
            image: 'server',
            ports: this.spec.ports.map(({ protocol, port, name }) => ({
              name: name ?? `serve-${port}-${protocol.toLowerCase()}`,
              protocol,
              containerPort: port,
            })),
          },
        ],
      },
      ...(this.#result === undefined ? {} : { status: this.#status(this.#result, phase) }),
    };
  }

  #status({ ips }: CniResult, phase: string): object {
    const podIPs = ips.map(({ address }) => ({ ip: address.slice(0, address.indexOf('/')) }));
    return { phase, podIP: podIPs[0]?.ip, podIPs };
  }
}
