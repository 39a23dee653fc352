/**
 * Datagrams with a number each, sent at a steady pace and counted when they arrive: how many packets of one flow are lost
 * while something happens to the node.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { openSocket } from './namespace-socket.ts';
import type { TestNetns } from './netns.ts';
import type { ProbeTarget } from './probe.ts';

const INTERVAL_MS = 2;
/** What has not arrived after this long will not. */
const SETTLE_MS = 300;
const OPEN_TIMEOUT_MS = 4_000;

export interface SequenceCount {
  readonly sent: number;
  readonly lost: number;
}

export class SequenceFlow implements Disposable {
  readonly #sockets: readonly Socket[];
  readonly #arrived = new Set<number>();
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  /** Those below were counted by an earlier call. */
  #counted = 0;

  private constructor(sockets: readonly Socket[], receiver: Socket, send: (text: string) => void) {
    this.#sockets = sockets;
    receiver.on('message', (message) => {
      this.#arrived.add(Number(message.subarray(message.indexOf(0x20) + 1).toString('latin1')));
    });
    this.#timer = setInterval(() => {
      send(String(this.#sent));
      this.#sent += 1;
    }, INTERVAL_MS);
  }

  /** To a server of name-server.ts and back: every number crosses the flow in both directions. */
  static async echoed(netns: TestNetns, { address, port }: ProbeTarget): Promise<SequenceFlow> {
    const socket = await open(netns);
    return new SequenceFlow([socket], socket, (text) => socket.send(text, port, address, ignore));
  }

  /**
   * In the direction of replies alone: after one datagram from `client`, everything comes from `server`.
   * @param target an address of the server and a port that nobody has there.
   */
  static async pushed(client: TestNetns, server: TestNetns, target: ProbeTarget): Promise<SequenceFlow> {
    const [receiver, sender] = [await open(client), await open(server, target.port)];
    const opened = once(sender, 'message', { signal: AbortSignal.timeout(OPEN_TIMEOUT_MS) });
    receiver.send('hello', target.port, target.address, ignore);
    const [, from] = (await opened) as [Buffer, { readonly address: string; readonly port: number }];
    return new SequenceFlow([receiver, sender], receiver, (text) => {
      sender.send(text, from.port, from.address, ignore);
    });
  }

  /** Since the start, or since the last call. */
  async count(): Promise<SequenceCount> {
    const sent = this.#sent;
    await delay(SETTLE_MS);
    const from = this.#counted;
    this.#counted = sent;
    let lost = 0;
    for (let number = from; number < sent; number += 1) if (!this.#arrived.has(number)) lost += 1;
    return { sent: sent - from, lost };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.close();
  }
}

async function open(netns: TestNetns, port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  const listening = once(socket, 'listening');
  socket.bind({ fd: openSocket(netns.fd, { kind: 'datagram', family: 4, port }) });
  await listening;
  return socket;
}

/** A send that the kernel refuses is one that does not arrive. */
function ignore(): void {}
