/** A `PodNetwork` that keeps attachments in memory and notes what it was asked, in order. */
import { CniCode, CniError } from '../../../src/cni/error.ts';
import type { AddedPod, AddRequest, CheckRequest, PodNetwork, RemoveRequest } from '../../../src/cni/pod-network.ts';
import { type Attachment, attachmentKey } from '../../../src/cni/request.ts';

export class FakePodNetwork implements PodNetwork {
  /** `ADD key`, `DEL key` and `CHECK key`, as they begin. */
  readonly calls: string[] = [];
  readonly attached: Set<string> = new Set();
  readonly adds: AddRequest[] = [];
  readonly removes: RemoveRequest[] = [];
  /** Run by every ADD before it attaches; may wait, or throw. */
  beforeAdd: (request: AddRequest, signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  beforeRemove: (request: RemoveRequest) => Promise<void> = () => Promise.resolve();
  /** Why no ADD could be served now. */
  fault: CniError | undefined;
  readonly checks: CheckRequest[] = [];

  async add(request: AddRequest, signal: AbortSignal): Promise<AddedPod> {
    const key = attachmentKey(request);
    this.calls.push(`ADD ${key}`);
    this.adds.push(request);
    await this.beforeAdd(request, signal);
    if (this.attached.has(key)) throw new CniError(CniCode.invalidEnvironment, `${key} is attached already`);
    this.attached.add(key);
    return ADDED;
  }

  async remove(request: RemoveRequest): Promise<void> {
    const key = attachmentKey(request);
    this.calls.push(`DEL ${key}`);
    this.removes.push(request);
    await this.beforeRemove(request);
    this.attached.delete(key);
  }

  async check(request: CheckRequest): Promise<void> {
    const key = attachmentKey(request);
    this.calls.push(`CHECK ${key}`);
    this.checks.push(request);
    if (!this.attached.has(key)) throw new CniError(CniCode.unknownContainer, `${key} is not attached`);
  }

  status(): void {
    if (this.fault !== undefined) throw this.fault;
  }

  attachments(): readonly Attachment[] {
    return [...this.attached].map((key) => {
      const [containerId = '', ifname = ''] = key.split(':');
      return { containerId, ifname };
    });
  }
}

export const ADDED: AddedPod = {
  hostInterface: { name: 'slc0ffee', mac: '0a:00:00:00:00:01' },
  podInterface: { mac: '0a:00:00:00:00:02' },
  mtu: 1500,
  addresses: [
    { address: '10.244.1.7/32', gateway: '169.254.1.1' },
    { address: 'fd00:1::7/128', gateway: 'fe80::1' },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '169.254.1.1' },
    { dst: '::/0', gw: 'fe80::1' },
  ],
};
