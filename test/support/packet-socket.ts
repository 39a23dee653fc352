/** Whole frames out of and into an interface of a namespace: what a pod with NET_RAW can send, and what reaches it. */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { libc, native, sysError } from '../../src/kernel/native.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { isSysError } from '../../src/lib/errors.ts';
import type { TestNetns } from './netns.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const ETH_P_ALL = 0x0003;
const MSG_DONTWAIT = 0x40;
const FRAME_BYTES_MAX = 65_600;
const RECEIVE_POLL_MS = 5;

const socket = libc.func('int socket(int domain, int type, int protocol)');
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)');
const send = libc.func('long send(int fd, const void *data, size_t length, int flags)');
const recv = libc.func('long recv(int fd, void *data, size_t length, int flags)');
const ifNameToIndex = libc.func('uint32_t if_nametoindex(const char *name)');

export class PacketSocket implements Disposable {
  readonly #fd: number;
  readonly #object: string;

  /** @throws SysError when there is no such interface. */
  constructor(netns: TestNetns, interfaceName: string) {
    this.#object = `${interfaceName} in ${netns.name}`;
    this.#fd = withNetns(netns.fd, () => {
      const index = ifNameToIndex(interfaceName) as number;
      if (index === 0) throw sysError('if_nametoindex', this.#object, constants.errno.ENODEV);
      const fd = native('socket', this.#object, () => socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) as number);
      const name = linkLayerAddress(index);
      native('bind', this.#object, () => bind(fd, name, name.length) as number);
      return fd;
    });
  }

  /** frame: from the Ethernet header on. */
  send(frame: Uint8Array): void {
    native('send', this.#object, () => send(this.#fd, frame, frame.length, 0) as number);
  }

  /** Whether a frame that `matches` passes the interface (in or out) within the time. Earlier ones count too. */
  async sees(matches: (frame: Uint8Array) => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    do {
      for (let frame = this.#receive(); frame !== undefined; frame = this.#receive()) if (matches(frame)) return true;
      await delay(RECEIVE_POLL_MS);
    } while (performance.now() < deadline);
    return false;
  }

  close(): void {
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #receive(): Uint8Array | undefined {
    const buffer = Buffer.alloc(FRAME_BYTES_MAX);
    try {
      const length = native('recv', this.#object, () => recv(this.#fd, buffer, buffer.length, MSG_DONTWAIT) as number);
      return new Uint8Array(buffer.subarray(0, length));
    } catch (error) {
      if (isSysError(error) && error.errno === constants.errno.EAGAIN) return undefined;
      throw error;
    }
  }
}

/** struct sockaddr_ll for every protocol on the interface. */
function linkLayerAddress(index: number): Buffer {
  const name = Buffer.alloc(20);
  name.writeUInt16LE(AF_PACKET, 0);
  name.writeUInt16BE(ETH_P_ALL, 2);
  name.writeInt32LE(index, 4);
  return name;
}
