/** A server, a way to it and a clock that stands still, for tests of what follows an API server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { HttpTransport } from '../../src/cluster/kubernetes/http-transport.ts';
import { BACKOFF_MS_MAX } from '../../src/cluster/kubernetes/limits.ts';
import type { ReflectorStats } from '../../src/cluster/kubernetes/reflector.ts';
import { FakeClock } from '../unit/lib/fake-clock.ts';
import { ApiServer } from './api-server.ts';

/** Looks at a condition every 2 ms; 5 s in all. */
const LOOKS_MAX = 2_500;

export interface ServedApi {
  readonly server: ApiServer;
  readonly transport: HttpTransport;
  readonly clock: FakeClock;
  /** The token that the transport shows, and the one that it shows once it has been told to renew it. */
  readonly tokens: { shown: string; next: string };
}

/** Ends with the test. */
export async function servedApi(paths: readonly string[]): Promise<ServedApi> {
  const server = await ApiServer.start(paths);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const tokens = { shown: 'first', next: 'first' };
  const transport = new HttpTransport({
    server: new URL(`http://127.0.0.1:${server.port}`),
    read: async () => ({ headers: { authorization: `Bearer ${tokens.shown}` }, tls: {} }),
    renew: () => {
      tokens.shown = tokens.next;
    },
  });
  onTestFinished(() => transport.close());
  return { server, transport, clock: new FakeClock(), tokens };
}

/**
 * Waits for a condition and lets time pass meanwhile, but only where somebody waits for time to pass: deadlines of
 * exchanges under way do not run out because the machine is busy.
 */
export async function eventually(
  clock: FakeClock,
  statsOf: () => Iterable<ReflectorStats>,
  isTrue: () => boolean,
): Promise<void> {
  for (let looks = 0; looks < LOOKS_MAX && !isTrue(); looks++) {
    await sleep(2);
    const phases = [...statsOf()].map(({ phase }) => phase);
    if (phases.every((phase) => phase !== 'listing') && phases.includes('waiting')) clock.advance(BACKOFF_MS_MAX / 10);
    else clock.advance(20);
  }
  expect(isTrue(), `${isTrue.toString()} holds in the end`).toBe(true);
}
