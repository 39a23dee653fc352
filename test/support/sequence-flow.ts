/**
 * Datagrams with a number each, sent at a steady pace to a server of name-server.ts and counted when they come back: how
 * many packets of one flow are lost, in either direction, while something happens to the node.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { openSocket } from './namespace-socket.ts';
import type { TestNetns } from './netns.ts';
import type { ProbeTarget } from './probe.ts';

const INTERVAL_MS = 2;
/** What has not come back after this long will not. */
const SETTLE_MS = 300;

export interface SequenceCount {
  readonly sent: number;
  readonly lost: number;
}

export class SequenceFlow implements Disposable {
  readonly #socket: Socket;
  readonly #target: ProbeTarget;
  readonly #answered = new Set<number>();
  #sent = 0;
  /** Those below were counted by an earlier call. */
  #counted = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(socket: Socket, target: ProbeTarget) {
    this.#socket = socket;
    this.#target = target;
    socket.on('message', (message) => {
      this.#answered.add(Number(message.subarray(message.indexOf(0x20) + 1).toString('latin1')));
    });
  }

  /** Sends from now on. */
  static async start(netns: TestNetns, target: ProbeTarget): Promise<SequenceFlow> {
    const socket = createSocket('udp4');
    const flow = new SequenceFlow(socket, target);
    const listening = once(socket, 'listening');
    socket.bind({ fd: openSocket(netns.fd, { kind: 'datagram', family: 4, port: 0 }) });
    await listening;
    flow.#timer = setInterval(() => flow.#send(), INTERVAL_MS);
    return flow;
  }

  /** Since the start, or since the last call. */
  async count(): Promise<SequenceCount> {
    const sent = this.#sent;
    await delay(SETTLE_MS);
    const from = this.#counted;
    this.#counted = sent;
    let lost = 0;
    for (let number = from; number < sent; number += 1) if (!this.#answered.has(number)) lost += 1;
    return { sent: sent - from, lost };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }

  #send(): void {
    const number = this.#sent;
    this.#sent += 1;
    // A send that the kernel refuses is one that is not answered.
    this.#socket.send(String(number), this.#target.port, this.#target.address, () => undefined);
  }
}
