/**
 * Sockets in any namespace from one process: made and bound by socket(2) while the thread is inside, used from outside
 * by node:net and node:dgram, for a socket stays in the namespace it was made in.
 */
import { closeSync } from 'node:fs';
import { parseAddress } from '../../src/net/address.ts';
import { libc, native } from '../../src/kernel/native.ts';
import { withNetns } from '../../src/kernel/namespace.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

const socket = libc.func('int socket(int domain, int type, int protocol)');
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)');
const setsockopt = libc.func('int setsockopt(int fd, int level, int option, const void *value, uint32_t length)');

export interface SocketSpec {
  readonly kind: 'stream' | 'datagram';
  readonly family: 4 | 6;
  /** Bound to it when given, on the wildcard address unless `address` is given too. IPv6 sockets take IPv6 only. */
  readonly port?: number;
  readonly address?: string;
}

/**
 * An unconnected non-blocking descriptor in the namespace behind `netns`; a datagram socket has a port of its own.
 * Whoever wraps it owns it.
 * @throws SysError when the kernel refuses (EADDRINUSE, EADDRNOTAVAIL).
 */
export function openSocket(netns: number, spec: SocketSpec): number {
  const domain = spec.family === 4 ? AF_INET : AF_INET6;
  const type = (spec.kind === 'stream' ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const object = `${spec.kind} socket, IPv${spec.family}, port ${spec.port ?? 'any'}`;
  return withNetns(netns, () => {
    const fd = native('socket', object, () => socket(domain, type, 0) as number);
    try {
      if (spec.family === 6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, object);
      // libuv makes every datagram socket share its port with others that do: only an explicit bind gets one alone.
      if (spec.kind === 'datagram' || spec.port !== undefined || spec.address !== undefined) {
        if (spec.kind === 'stream') setOption(fd, SOL_SOCKET, SO_REUSEADDR, object);
        const name = socketAddress(spec.family, spec.address, spec.port ?? 0);
        native('bind', object, () => bind(fd, name, name.length) as number);
      }
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
}

function setOption(fd: number, level: number, option: number, object: string): void {
  const on = Buffer.from([1, 0, 0, 0]);
  native('setsockopt', object, () => setsockopt(fd, level, option, on, on.length) as number);
}

/** struct sockaddr_in or sockaddr_in6. Without `address`: the wildcard. */
function socketAddress(family: 4 | 6, address: string | undefined, port: number): Buffer {
  const parsed = address === undefined ? undefined : parseAddress(address);
  if (address !== undefined && parsed?.family !== family) throw new TypeError(`${address} is not of IPv${family}`);
  const name = Buffer.alloc(family === 4 ? 16 : 28);
  name.writeUInt16LE(family === 4 ? AF_INET : AF_INET6, 0);
  name.writeUInt16BE(port, 2);
  if (parsed !== undefined) name.set(parsed.bytes, family === 4 ? 4 : 8);
  return name;
}
