/**
 * A child process in a namespace that sends datagrams to every address it was told, over and over, until its stdin ends.
 * One line of stdin is the new list of addresses, separated by spaces.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Ledger } from './ledger.ts';
import type { TestNetns } from './netns.ts';

/** What every datagram of a flood begins with. */
export const FLOOD_MARK = 'sluice-flood';
export const FLOOD_PORT = 9999;
/** With a pause of a millisecond between turns: a flood that leaves the machine time for what is tested. */
const SENDS_A_TURN = 32;
const TURN_MS = 1;

export class Flooder {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(ledger: Ledger, netns: TestNetns): Promise<Flooder> {
    const wrappers = ['--pdeathsig', 'KILL', 'nsenter', `--net=${netns.path}`];
    const child = spawn('setpriv', [...wrappers, process.execPath, import.meta.filename, 'run'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(child, 'spawn');
    ledger.addProcess(`flooder in ${netns.name}`, child.pid ?? 0, () => child.exitCode === null);
    return new Flooder(child);
  }

  aim(addresses: readonly string[]): void {
    this.#child.stdin?.write(`${addresses.join(' ')}\n`);
  }

  /** Ends it; returns how many datagrams the kernel took. */
  async stop(): Promise<number> {
    let text = '';
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
    return Number(text);
  }
}

function flood(): void {
  const sockets = { 4: createSocket('udp4'), 6: createSocket('udp6') };
  let addresses: readonly string[] = [];
  let next = 0;
  let sent = 0;
  let isOver = false;
  const count = (error: Error | null): void => {
    if (error === null) sent += 1;
  };
  const turn = (): void => {
    if (isOver) return;
    for (let i = 0; i < SENDS_A_TURN && addresses.length > 0; i++) {
      const address = addresses[next++ % addresses.length]!;
      sockets[address.includes(':') ? 6 : 4].send(FLOOD_MARK, FLOOD_PORT, address, count);
    }
    setTimeout(turn, TURN_MS);
  };
  const input = createInterface(process.stdin);
  input.on('line', (line) => {
    addresses = line.split(' ').filter(Boolean);
  });
  input.on('close', () => {
    isOver = true;
    setImmediate(() => {
      process.stdout.write(String(sent), () => {
        sockets[4].close();
        sockets[6].close();
      });
    });
  });
  turn();
}

if (process.argv[2] === 'run') flood();
