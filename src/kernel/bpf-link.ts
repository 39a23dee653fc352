/**
 * tcx links: a program attached to one side of an interface. The link, not the process, holds the program there; pinned
 * it stays when the process ends. Needs Linux 6.6; `hasTcx()` asks the kernel.
 */
import { closeSync } from 'node:fs';
import { isSysError } from '../lib/errors.ts';
import { callLibbpf } from './libbpf.ts';
import { bpf, bpfAside } from './system-call.ts';

export type TcxDirection = 'ingress' | 'egress';

export interface TcxLinkInfo {
  /** Unique in the kernel while the link lives. */
  readonly id: number;
  /** Id of the program it runs; compare with programId(). */
  readonly programId: number;
  /** 0 once the interface is gone or the link was detached: the link does nothing any more. */
  readonly ifindex: number;
  readonly direction: TcxDirection;
}

/** enum bpf_attach_type. */
const ATTACH_TYPE: Readonly<Record<TcxDirection, number>> = { ingress: 46, egress: 47 };
/** enum bpf_link_type. */
const LINK_TYPE_TCX = 11;
const PROGRAM_TYPE_SCHED_CLS = 3;
const IFINDEX_NONE = 0x7fffffff;

/** A link's program, one interface and direction. Links of one direction run in the order they were attached. */
export class TcxLink implements Disposable {
  #fd: number;
  readonly #object: string;

  private constructor(fd: number, object: string) {
    this.#fd = fd;
    this.#object = object;
  }

  /**
   * Attaches behind what hangs there already. The interface is looked up in the network namespace of this thread.
   * @throws SysError: ENODEV no such interface, EINVAL no tcx in this kernel or not a tc program.
   */
  static attach(programFd: number, ifindex: number, direction: TcxDirection): TcxLink {
    const object = `tcx ${direction} of interface ${ifindex}`;
    return new TcxLink(createLink(programFd, ifindex, direction, object), object);
  }

  /**
   * The same without holding up the event loop: the kernel waits for a grace period (some 6 ms) with its lock on all
   * interfaces held. The interface is looked up in the network namespace of the process.
   */
  static async attachAside(programFd: number, ifindex: number, direction: TcxDirection): Promise<TcxLink> {
    const object = `tcx ${direction} of interface ${ifindex}`;
    const fd = await bpfAside('LINK_CREATE', object, linkAttributes(programFd, ifindex, direction));
    return fd === undefined ? TcxLink.attach(programFd, ifindex, direction) : new TcxLink(fd, object);
  }

  /** @throws SysError (ENOENT) when nothing is pinned there, Error when it is no tcx link. */
  static openPinned(path: string): TcxLink {
    const link = new TcxLink(
      callLibbpf('bpf_obj_get', path, (lib) => lib.openPin(path)),
      path,
    );
    try {
      link.info();
      return link;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Exchanges the program in one step: every packet meets the old or the new one. */
  update(programFd: number): void {
    bpf('LINK_UPDATE', this.#object, words(this.#fd, programFd, 0, 0));
  }

  /** Takes the program off the interface; pins of the link stay and do nothing. */
  detach(): void {
    bpf('LINK_DETACH', this.#object, words(this.#fd));
  }

  /** @throws SysError (EEXIST) when the path is taken. */
  pin(path: string): void {
    callLibbpf('bpf_obj_pin', path, (lib) => lib.pin(this.#fd, path));
  }

  info(): TcxLinkInfo {
    // struct bpf_link_info: type, id, prog_id, padding, then tcx: ifindex, attach_type.
    const info = objectInfo(this.#fd, this.#object, 24);
    const type = info.getUint32(0, true);
    if (type !== LINK_TYPE_TCX)
      throw new Error(`${this.#object} is a link of type ${type}, not tcx (${LINK_TYPE_TCX})`);
    return {
      id: info.getUint32(4, true),
      programId: info.getUint32(8, true),
      ifindex: info.getUint32(16, true),
      direction: info.getUint32(20, true) === ATTACH_TYPE.ingress ? 'ingress' : 'egress',
    };
  }

  /** Idempotent. An unpinned link without a holder is gone, and its program off the interface. */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Id of the program behind a file descriptor, as TcxLinkInfo has it. */
export function programId(programFd: number): number {
  return objectInfo(programFd, 'program', 8).getUint32(4, true);
}

/**
 * Whether the kernel attaches programs by tcx: a link to an interface that cannot exist is refused for want of the
 * interface only by a kernel that knows tcx.
 * @throws SysError when this process may not load programs at all.
 */
export function hasTcx(): boolean {
  const fd = loadIdleProgram();
  try {
    closeSync(createLink(fd, IFINDEX_NONE, 'ingress', 'probe for tcx'));
    return true;
  } catch (error) {
    if (isSysError(error, 'ENODEV')) return true;
    if (isSysError(error, 'EINVAL')) return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}

/**
 * A program that leaves every packet to what runs after it (TCX_NEXT). The caller closes the descriptor.
 * @throws SysError when this process may not load programs.
 */
export function loadIdleProgram(): number {
  // r0 = -1; exit
  const instructions = Uint8Array.of(0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0);
  return callLibbpf('bpf_prog_load', 'idle program', (lib) =>
    lib.loadProgram(PROGRAM_TYPE_SCHED_CLS, 'sluice_idle', 'Dual BSD/GPL', instructions, 2, null),
  );
}

function createLink(programFd: number, ifindex: number, direction: TcxDirection, object: string): number {
  return bpf('LINK_CREATE', object, linkAttributes(programFd, ifindex, direction));
}

/** union bpf_attr, link_create: prog_fd, target_ifindex, attach_type, flags, tcx.relative_fd, (hole), expected_revision. */
function linkAttributes(programFd: number, ifindex: number, direction: TcxDirection): Uint8Array {
  return words(programFd, ifindex, ATTACH_TYPE[direction], 0, 0, 0, 0, 0);
}

function objectInfo(fd: number, object: string, bytes: number): DataView {
  const info = new Uint8Array(bytes);
  callLibbpf('bpf_obj_get_info_by_fd', object, (lib) => lib.info(fd, info, Uint32Array.of(bytes)));
  return new DataView(info.buffer);
}

function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}
