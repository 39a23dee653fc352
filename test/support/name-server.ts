/**
 * Servers of a pod: whoever connects or sends learns the pod's name, so that a probe knows who answered. TCP: the name
 * and a newline, then everything comes back as it was sent. UDP: the name, a space, and the datagram.
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressPair } from './address-plan.ts';
import { openSocket } from './namespace-socket.ts';
import type { TestNetns } from './netns.ts';

export interface ServedPort {
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

const FAMILIES = [4, 6] as const;
const BACKLOG = 512;

export class NameServer {
  readonly #name: string;
  readonly #servers: Server[] = [];
  readonly #datagrams: DatagramSocket[] = [];
  readonly #connections = new Set<Socket>();

  private constructor(name: string) {
    this.#name = name;
  }

  /** Listens in the namespace on every port, in both families; on one address of each when `addresses` names them. */
  static async open(
    netns: TestNetns,
    name: string,
    ports: readonly ServedPort[],
    addresses?: AddressPair,
  ): Promise<NameServer> {
    const server = new NameServer(name);
    try {
      for (const { protocol, port } of ports) {
        for (const family of FAMILIES) {
          const address = family === 4 ? addresses?.ipv4 : addresses?.ipv6;
          const spec = { family, port, ...(address === undefined ? {} : { address }) };
          if (protocol === 'TCP') await server.#listen(openSocket(netns.fd, { kind: 'stream', ...spec }));
          else await server.#receive(openSocket(netns.fd, { kind: 'datagram', ...spec }), family);
        }
      }
    } catch (error) {
      server.close();
      throw error;
    }
    return server;
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy();
    for (const server of this.#servers.splice(0)) server.close();
    for (const socket of this.#datagrams.splice(0)) socket.close();
  }

  #listen(fd: number): Promise<void> {
    const server = createServer((connection) => {
      this.#connections.add(connection);
      connection.on('close', () => this.#connections.delete(connection));
      // The client may be cut off or gone: that is the client's to report.
      connection.on('error', () => connection.destroy());
      connection.write(`${this.#name}\n`);
      connection.pipe(connection);
    });
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ fd, backlog: BACKLOG }, resolve);
    });
  }

  #receive(fd: number, family: 4 | 6): Promise<void> {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    this.#datagrams.push(socket);
    socket.on('message', (message, from) => {
      // An answer that the kernel refuses is no answer, which is what the client then sees.
      socket.send([Buffer.from(`${this.#name} `), message], from.port, from.address, () => undefined);
    });
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ fd }, resolve);
    });
  }
}
