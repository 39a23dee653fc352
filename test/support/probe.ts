/**
 * One attempt to talk to a server of name-server.ts, from inside a namespace. Hundreds run at one time in one process:
 * each has a socket of its own and ends with an answer, a refusal or its deadline.
 */
import { createSocket } from 'node:dgram';
import { Socket } from 'node:net';
import { openSocket } from './namespace-socket.ts';
import type { TestNetns } from './netns.ts';
import { tryCommand } from './run-command.ts';

/** Sockets open at one time; a probe that waits for its turn has not begun. */
export const PROBES_AT_ONCE = 256;
/** A denied packet is dropped without a word (NP-106): this long without an answer is a denial. */
export const SILENCE_MS = 700;
/** What should be answered may take longer on a busy machine; long enough for a repeated SYN. */
export const PATIENCE_MS = 4_000;

/** `refused`: a RST. Other errors carry the errno's symbol. */
export type ProbeResult =
  | { readonly kind: 'answered'; readonly by: string }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'error'; readonly code: string };

export interface ProbeTarget {
  readonly protocol: 'TCP' | 'UDP';
  readonly address: string;
  readonly port: number;
}

export interface ProbeOptions {
  readonly timeoutMs: number;
  /** Sent from this address instead of the one that the namespace's routes choose. */
  readonly sourceAddress?: string;
  readonly sourcePort?: number;
}

export function describeResult(result: ProbeResult): string {
  if (result.kind === 'answered') return `connected to ${result.by}`;
  return result.kind === 'error' ? result.code : result.kind;
}

export function probe(netns: TestNetns, target: ProbeTarget, options: ProbeOptions): Promise<ProbeResult> {
  const family = target.address.includes(':') ? 6 : 4;
  const bound = {
    ...(options.sourceAddress === undefined ? {} : { address: options.sourceAddress }),
    ...(options.sourcePort === undefined ? {} : { port: options.sourcePort }),
  };
  return target.protocol === 'TCP'
    ? probeTcp(openSocket(netns.fd, { kind: 'stream', family, ...bound }), target, options.timeoutMs)
    : probeUdp(openSocket(netns.fd, { kind: 'datagram', family, ...bound }), target, options.timeoutMs);
}

function probeTcp(fd: number, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const socket = new Socket({ fd });
  return new Promise((resolve) => {
    const finish = (result: ProbeResult): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => {
      finish({ kind: 'timeout' });
    }, timeoutMs);
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) finish({ kind: 'answered', by: text.slice(0, end) });
    });
    socket.on('end', () => {
      finish({ kind: 'error', code: 'EOF' });
    });
    socket.on('error', (error) => {
      finish(failure(error));
    });
    socket.connect({ host: target.address, port: target.port });
  });
}

function probeUdp(fd: number, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const socket = createSocket(target.address.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    let isFinished = false;
    const finish = (result: ProbeResult): void => {
      if (isFinished) return;
      isFinished = true;
      clearTimeout(timer);
      socket.close();
      resolve(result);
    };
    const timer = setTimeout(() => {
      finish({ kind: 'timeout' });
    }, timeoutMs);
    socket.on('error', (error) => {
      finish(failure(error));
    });
    socket.on('message', (message) => {
      finish({ kind: 'answered', by: message.toString('utf8').split(' ', 1)[0] ?? '' });
    });
    socket.bind({ fd }, () => {
      socket.send('probe', target.port, target.address, (error) => {
        if (error !== null) finish(failure(error));
      });
    });
  });
}

function failure(error: Error): ProbeResult {
  const code = 'code' in error ? String(error.code) : error.message;
  return code === 'ECONNREFUSED' ? { kind: 'refused' } : { kind: 'error', code };
}

/** One ICMP or ICMPv6 echo request from the namespace, waited for one second. */
export async function isEchoAnswered(netns: TestNetns, address: string): Promise<boolean> {
  const { exitCode, stderr } = await tryCommand('ping', ['-n', '-q', '-c', '1', '-W', '1', address], { netns });
  if (exitCode > 1) throw new Error(`ping ${address} in ${netns.name}: exit code ${exitCode}: ${stderr}`);
  return exitCode === 0;
}
