/** Flows that stay open across a change of policy: to a server of name-server.ts, which sends back what it gets. */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { openSocket } from './namespace-socket.ts';
import type { TestNetns } from './netns.ts';
import type { ProbeTarget } from './probe.ts';

/** A TCP connection on which something is asked again and again. */
export class TcpFlow implements Disposable {
  readonly #socket: Socket;
  /** Sent and not yet back; what comes back has to be its beginning. */
  #outstanding: Buffer = Buffer.alloc(0);
  #isGreeted = false;
  #isGarbled = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#take(chunk);
      this.#wake();
    });
    // A reset shows as an exchange that is not answered.
    socket.on('error', () => socket.destroy());
  }

  /** Returns when the server has sent its name. @throws Error when it has not within the time. */
  static async open(netns: TestNetns, target: ProbeTarget, timeoutMs: number): Promise<TcpFlow> {
    const family = target.address.includes(':') ? 6 : 4;
    const socket = new Socket({ fd: openSocket(netns.fd, { kind: 'stream', family }) });
    const flow = new TcpFlow(socket);
    socket.connect({ host: target.address, port: target.port });
    if (!(await flow.#until(() => flow.#isGreeted, timeoutMs))) {
      flow.close();
      throw new Error(`no greeting from ${target.address} port ${target.port} in ${timeoutMs} ms`);
    }
    return flow;
  }

  /**
   * Sends that many random bytes; whether all that was ever sent on the flow is back within the time, as it was sent.
   * What a denial held up is still outstanding, so a flow that is allowed again has to bring it too.
   */
  async exchange(bytes: number, timeoutMs: number): Promise<boolean> {
    const sent = randomBytes(bytes);
    this.#outstanding = Buffer.concat([this.#outstanding, sent]);
    this.#socket.write(sent);
    const isBack = await this.#until(() => this.#outstanding.length === 0 || this.#isGarbled, timeoutMs);
    return isBack && !this.#isGarbled;
  }

  close(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    if (!this.#isGreeted) {
      const end = chunk.indexOf(0x0a);
      if (end < 0) return;
      this.#isGreeted = true;
      rest = chunk.subarray(end + 1);
    }
    if (!this.#outstanding.subarray(0, rest.length).equals(rest)) this.#isGarbled = true;
    this.#outstanding = this.#outstanding.subarray(rest.length);
  }

  #until(isComplete: () => boolean, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (result: boolean): void => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve(result);
      };
      const timer = setTimeout(() => {
        finish(false);
      }, timeoutMs);
      this.#wake = () => {
        if (isComplete()) finish(true);
      };
    });
  }
}

/** One UDP socket, so one tuple, on which something is asked again and again. */
export class UdpFlow implements Disposable {
  readonly #socket: DatagramSocket;
  readonly #target: ProbeTarget;
  #answers = new Map<string, () => void>();

  private constructor(socket: DatagramSocket, target: ProbeTarget) {
    this.#socket = socket;
    this.#target = target;
    socket.on('message', (message) => {
      const question = message.subarray(message.indexOf(0x20) + 1).toString('latin1');
      this.#answers.get(question)?.();
    });
  }

  static async open(netns: TestNetns, target: ProbeTarget): Promise<UdpFlow> {
    const family = target.address.includes(':') ? 6 : 4;
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    const flow = new UdpFlow(socket, target);
    const listening = once(socket, 'listening');
    socket.bind({ fd: openSocket(netns.fd, { kind: 'datagram', family, port: 0 }) });
    await listening;
    return flow;
  }

  /** One datagram, whatever becomes of it. */
  send(text: string): void {
    this.#socket.send(text, this.#target.port, this.#target.address, () => undefined);
  }

  /** Sends a datagram of that many random bytes; whether the same bytes come back within the time. */
  exchange(bytes: number, timeoutMs: number): Promise<boolean> {
    const datagram = randomBytes(bytes);
    const question = datagram.toString('latin1');
    return new Promise((resolve) => {
      const finish = (isAnswered: boolean): void => {
        clearTimeout(timer);
        this.#answers.delete(question);
        resolve(isAnswered);
      };
      const timer = setTimeout(() => {
        finish(false);
      }, timeoutMs);
      this.#answers.set(question, () => {
        finish(true);
      });
      // A send that the kernel refuses is one that is not answered.
      this.#socket.send(datagram, this.#target.port, this.#target.address, () => undefined);
    });
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
