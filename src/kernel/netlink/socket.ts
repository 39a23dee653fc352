/**
 * A rtnetlink socket: a descriptor, and send and receive on it. It belongs for ever to the namespace in which it was
 * opened. Connected to the kernel's port, so that no process can slip in an answer.
 */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import koffi from 'koffi';
import { isSysError } from '../../lib/errors.ts';
import { passFaultPoint } from '../fault.ts';
import { libc, native, sysError } from '../native.ts';
import { AF, NETLINK_SOCKET_OPTION, SOL_NETLINK } from './constants.ts';
import { DATAGRAM_BYTES_MAX, INTERRUPTS_MAX, RECEIVE_TIMEOUT_S } from './limits.ts';

const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const NETLINK_ROUTE = 0;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_RCVBUFFORCE = 33;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;

const cSocket = libc.func('int socket(int domain, int type, int protocol)');
const cBind = libc.func('int bind(int fd, void *address, uint32_t length)');
const cConnect = libc.func('int connect(int fd, void *address, uint32_t length)');
const cSetsockopt = libc.func('int setsockopt(int fd, int level, int option, void *value, uint32_t length)');
const cSend = libc.func('long send(int fd, void *buffer, size_t length, int flags)');
const cRecv = libc.func('long recv(int fd, void *buffer, size_t length, int flags)');

/** Shared by all sockets of the thread: nothing is awaited between a receive and the copy out of it. */
const received = new Uint8Array(DATAGRAM_BYTES_MAX);

export interface SocketOptions {
  /** Bit mask of multicast groups, bit (group - 1). */
  readonly groups?: number;
  readonly receiveBufferBytes: number;
}

export class NetlinkSocket {
  readonly fd: number;
  #closed = false;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Opens it in the current namespace. @throws SysError */
  static open(options: SocketOptions): NetlinkSocket {
    const fd = native(
      'socket',
      'rtnetlink',
      () => cSocket(AF.NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) as number,
    );
    const socket = new NetlinkSocket(fd);
    try {
      socket.#configure(options);
    } catch (error) {
      socket.close();
      throw error;
    }
    return socket;
  }

  #configure(options: SocketOptions): void {
    const timeout = new BigInt64Array([BigInt(RECEIVE_TIMEOUT_S), 0n]);
    this.#setOption('SO_RCVTIMEO', SOL_SOCKET, SO_RCVTIMEO, new Uint8Array(timeout.buffer));
    this.#setOption('SO_RCVBUFFORCE', SOL_SOCKET, SO_RCVBUFFORCE, int32(options.receiveBufferBytes));
    for (const [name, option] of Object.entries(NETLINK_SOCKET_OPTION)) {
      this.#setOption(`NETLINK_${name}`, SOL_NETLINK, option, int32(1));
    }
    const local = socketAddress(options.groups ?? 0);
    native('bind', 'rtnetlink', () => cBind(this.fd, local, local.length) as number);
    const kernel = socketAddress(0);
    native('connect', 'rtnetlink', () => cConnect(this.fd, kernel, kernel.length) as number);
  }

  #setOption(name: string, level: number, option: number, value: Uint8Array): void {
    native('setsockopt', `rtnetlink ${name}`, () => cSetsockopt(this.fd, level, option, value, value.length) as number);
  }

  /** The kernel has done everything in it when this returns. `object` is what the message is about. */
  send(datagram: Uint8Array, object: string): void {
    uninterrupted(() => native('send', object, () => cSend(this.fd, datagram, datagram.length, 0) as number));
  }

  /** The same on a thread of the pool, for what keeps the kernel busy for long. One at a time. */
  sendAside(datagram: Uint8Array, object: string): Promise<void> {
    passFaultPoint('send', object);
    return new Promise((resolve, reject) => {
      // The closure keeps the datagram from being collected while the other thread reads it.
      const done = (failure: Error | null, sent: number): void => {
        if (failure !== null) reject(failure);
        else if (sent !== datagram.length) reject(sysError('send', object, koffi.errno()));
        else resolve();
      };
      cSend.async(this.fd, datagram, datagram.length, 0, done);
    });
  }

  /** One datagram, copied. @throws SysError ETIMEDOUT when nothing comes in time, ENOBUFS when answers were dropped. */
  receive(object: string): Uint8Array {
    try {
      return this.#receive(object, 0);
    } catch (error) {
      if (!isWouldBlock(error)) throw error;
      throw sysError('recv', object, constants.errno.ETIMEDOUT, `the kernel gave no answer in ${RECEIVE_TIMEOUT_S} s`);
    }
  }

  /** The same without waiting; undefined when there is none. */
  receiveNow(object: string): Uint8Array | undefined {
    try {
      return this.#receive(object, MSG_DONTWAIT);
    } catch (error) {
      if (isWouldBlock(error)) return undefined;
      throw error;
    }
  }

  #receive(object: string, flags: number): Uint8Array {
    const length = uninterrupted(() =>
      native('recv', object, () => cRecv(this.fd, received, received.length, flags | MSG_TRUNC) as number),
    );
    if (length > received.length) {
      throw sysError(
        'recv',
        object,
        constants.errno.EMSGSIZE,
        `a datagram of ${length} bytes, the limit is ${received.length}`,
      );
    }
    return received.slice(0, length);
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.fd);
  }
}

/** struct sockaddr_nl; port 0: the kernel as a peer, "any free one" as the own address. */
function socketAddress(groups: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF.NETLINK, true);
  view.setUint32(8, groups, true);
  return bytes;
}

function int32(value: number): Uint8Array {
  return new Uint8Array(new Int32Array([value]).buffer);
}

/** By number: EAGAIN and EWOULDBLOCK are two names of one. */
function isWouldBlock(error: unknown): boolean {
  return isSysError(error) && error.errno === constants.errno.EAGAIN;
}

/** A receive with a timeout is not restarted by the kernel after a signal's handler. */
function uninterrupted(call: () => number): number {
  for (let attempt = 1; ; attempt++) {
    try {
      return call();
    } catch (error) {
      if (!isSysError(error, 'EINTR') || attempt >= INTERRUPTS_MAX) throw error;
    }
  }
}
