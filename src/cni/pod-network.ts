/** What the CNI verbs need of the agent: the wiring of one pod. */
import type { PrevResult } from './prev-result.ts';
import type { AddCall, Attachment } from './request.ts';

/** An open network namespace. It is closed when the request is over: who needs it longer duplicates it. */
export interface NetnsHandle {
  readonly fd: number;
  /** st_dev and st_ino of the namespace. */
  readonly device: bigint;
  readonly inode: bigint;
}

export interface AddRequest extends AddCall {
  readonly netnsHandle: NetnsHandle;
}

export interface CheckRequest extends Attachment {
  /** CNI_NETNS */
  readonly netns: string;
  readonly netnsHandle: NetnsHandle;
  readonly prevResult: PrevResult;
}

export interface RemoveRequest extends Attachment {
  /** CNI_NETNS; may be empty. */
  readonly netns: string;
  /** Undefined when the namespace is gone, was not named, or the DEL comes from the journal. */
  readonly netnsHandle: NetnsHandle | undefined;
}

export interface AddedAddress {
  /** With prefix length: `10.244.1.7/32`. */
  readonly address: string;
  readonly gateway: string;
}

export interface AddedRoute {
  readonly dst: string;
  /** Absent for a route to the link. */
  readonly gw?: string;
}

/** What the result of an ADD tells (CNI-24). */
export interface AddedPod {
  readonly hostInterface: { readonly name: string; readonly mac: string };
  readonly podInterface: { readonly mac: string };
  readonly mtu: number;
  /** In the order the runtime shall see: the first is the pod's main address (CNI-74, CNI-81). At least one. */
  readonly addresses: readonly AddedAddress[];
  readonly routes: readonly AddedRoute[];
}

export interface PodNetwork {
  /**
   * Wires the pod; when it returns, its policy is enforced. Leaves nothing behind when it throws (CNI-23), and does not
   * touch an attachment that is there already (CNI-21). The signal tells that the caller has gone: it may be ignored,
   * `remove` follows when `add` succeeds all the same. Throws `CniError` for every reason it knows.
   */
  add(request: AddRequest, signal: AbortSignal): Promise<AddedPod>;
  /** Idempotent: what is not there is fine (CNI-30, CNI-31). Throws only for what a repetition may cure. */
  remove(request: RemoveRequest): Promise<void>;
  /**
   * Whether everything that ADD made is there still; what others have added since is fine (CNI-41). Changes nothing.
   * Throws `CniError` that names every difference.
   */
  check(request: CheckRequest): Promise<void>;
  /** Whether an ADD could be served now (CNI-50). Throws `CniError` code 50 or 51 with the reason when not. */
  status(): void;
  /** What is attached to the network of that name. */
  attachments(network: string): readonly Attachment[];
}
