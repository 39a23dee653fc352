/** An agent is replaced by one of a build with another ABI, and back: what passes, what does not, and what is left. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFailed, test } from 'vitest';
import { makeAbiVariant } from '../support/abi-variant.ts';
import type { AgentBuild } from '../support/cluster-host.ts';
import { isMapInKernel, pinnedMaps } from '../support/kernel-objects.ts';
import { Ledger } from '../support/ledger.ts';
import { isCutOff, reaches, SERVED } from '../support/trio.ts';
import { UpgradeHost } from '../support/upgrade-host.ts';

const PRELOAD = join(import.meta.dirname, '../support/kill-at-call.ts');
/** As long as an agent takes to be replaced, roughly. */
const CONTROL_MS = 2_000;
/** Long enough for a flow that was cut to show. */
const AFTERMATH_MS = 300;
const RELEASE_TIMEOUT_MS = 5_000;
/** Two starts of an agent for each point. */
const KILLS_TIMEOUT_MS = 180_000;
const TCP = 6;

/** `<n> <call> <object>`, for kill-at-call.ts, in the order in which a replacement reaches them. */
const KILL_POINTS = {
  tcx: [
    '1 bpf_object__load sluice', // nothing is loaded
    '4 bpf_obj_pin -[0-9a-f]{8}$', // some of the new maps are pinned
    '1 bpf_map_update_batch endpoints', // all of them, empty
    '1 bpf_map_lookup_batch flows_live-', // with complete tables, without flows
    '1 bpf(BPF_LINK_UPDATE) .', // with flows
    '4 bpf(BPF_LINK_UPDATE) .', // some interfaces run the new programs
    '2 bpf_map_lookup_batch flows_live-', // all of them do
    '1 unlink -[0-9a-f]{8}$', // the flows of meanwhile are there too
    '6 unlink -[0-9a-f]{8}$', // some of the old maps are gone
    '1 unlink config-', // all but the last
  ],
  clsact: ['1 send ^filter', '2 send ^filter', '2 bpf_map_lookup_batch flows_live-', '1 unlink -[0-9a-f]{8}$'],
} as const;

/** Some interfaces run the new programs. */
const HALF_WAY = { tcx: '4 bpf(BPF_LINK_UPDATE) .', clsact: '2 send ^filter' } as const;

const ledger = new Ledger();
let variant: AgentBuild;
let host: UpgradeHost;

beforeAll(async () => {
  variant = { build: await makeAbiVariant(ledger) };
});
afterAll(() => ledger.removeAll());

async function loseNoMoreThanWithout(event: string, run: () => Promise<void>): Promise<void> {
  await host.losses();
  const control = await host.losses(CONTROL_MS);
  await run();
  const during = await host.losses(AFTERMATH_MS);
  console.log(`${event}: ${JSON.stringify(during)}, without it: ${JSON.stringify(control)}`);
  expect(during.local.sent).toBeGreaterThan(0);
  for (const flow of ['local', 'remote', 'localPush', 'remotePush'] as const) {
    expect(during[flow].lost, flow).toBeLessThanOrEqual(control[flow].lost);
  }
  expect(await host.deniedPassed()).toBe(false);
  expect(await host.streamsGoOn()).toBe(true);
}

type Fields = Readonly<Record<string, unknown>>;

/** The two connections, in the order in which they were opened. */
async function tcpFlows(): Promise<readonly { readonly key: Fields; readonly value: Fields }[]> {
  const flows = (await host.flows()).filter(({ key }) => key['protocol'] === TCP);
  expect(flows).toHaveLength(2);
  return flows.toSorted((a, b) => Number(a.value['opened_ns']) - Number(b.value['opened_ns']));
}

/** What stays true of a flow whatever is seen of it, and a new entry for it would not know. */
function essence({ opened_ns, opener, opener_endpoint, responder_endpoint, origin, path }: Fields): Fields {
  return { opened_ns, opener, opener_endpoint, responder_endpoint, origin, path };
}

/** All of the instance, sorted. */
function pins(): readonly string[] {
  return readdirSync(host.pinDirectory).toSorted();
}

/** The maps are released some time after the last program that uses them. */
async function areReleased(ids: readonly number[]): Promise<boolean> {
  const deadline = performance.now() + RELEASE_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (!(await Promise.all(ids.map(isMapInKernel))).includes(true)) return true;
    await delay(50);
  }
  return false;
}

describe.each(['tcx', 'clsact'] as const)('attached by %s', (attach) => {
  beforeEach(async () => {
    host = await UpgradeHost.start(attach);
    onTestFailed(() => console.error(host.cluster.logTails()));
  });
  afterEach(async () => host[Symbol.asyncDispose]());

  test('a build with other layouts takes over, and the first one again, without a packet lost or let through', async () => {
    const first = await pinnedMaps(host.pinDirectory);
    await loseNoMoreThanWithout('a plain restart', () => host.replaceAgent({}));
    expect([...(await pinnedMaps(host.pinDirectory))]).toEqual([...first]);

    const opened = await tcpFlows();
    await loseNoMoreThanWithout('the other build', () => host.replaceAgent(variant));
    const second = await pinnedMaps(host.pinDirectory);
    expect(second.size).toBe(first.size);
    expect([...second.keys()].filter((pin) => /^(config|rows|flows_live)-/.test(pin) && first.has(pin))).toEqual([]);
    expect(await host.isOnPinnedMaps()).toBe(true);
    const converted = await tcpFlows();
    expect(converted.map(({ value }) => value['variant_mark'])).toEqual([0, 0]);
    expect(converted.map(({ value }) => essence(value))).toEqual(opened.map(({ value }) => essence(value)));

    await loseNoMoreThanWithout('the first build again', () => host.replaceAgent({}));
    const third = await pinnedMaps(host.pinDirectory);
    expect([...third.keys()]).toEqual([...first.keys()]);
    expect(await host.isOnPinnedMaps()).toBe(true);
    const ids = new Set(third.values());
    expect(await areReleased([...first.values(), ...second.values()].filter((id) => !ids.has(id)))).toBe(true);
  });

  test(
    'killed at any point, the next start of either build ends as a fresh one',
    { timeout: KILLS_TIMEOUT_MS },
    async () => {
      const builds = [{}, variant];
      const fresh: (readonly string[])[] = [pins()];
      await host.replaceAgent(variant);
      fresh.push(pins());
      let current = 1;
      await loseNoMoreThanWithout('replacements that are killed', async () => {
        for (const [index, point] of KILL_POINTS[attach].entries()) {
          const other = 1 - current;
          const left = [...(await pinnedMaps(host.pinDirectory)).values()];
          const killed = { ...builds[other], preload: PRELOAD, env: { SLUICE_TEST_KILL: point } };
          await expect(host.replaceAgent(killed), point).rejects.toThrow('ended before it was ready');
          expect(await host.deniedPassed(), point).toBe(false);
          expect(await host.streamsGoOn(), point).toBe(true);
          const between = [...(await pinnedMaps(host.pinDirectory)).values()];
          // Finished by the same build, or undone by the one that was there before.
          current = index % 2 === 0 ? other : current;
          await host.replaceAgent(builds[current]!);
          expect(pins(), point).toEqual(fresh[current]);
          expect(await host.isOnPinnedMaps(), point).toBe(true);
          const now = new Set((await pinnedMaps(host.pinDirectory)).values());
          expect(await areReleased([...left, ...between].filter((id) => !now.has(id))), point).toBe(true);
        }
      });
    },
  );

  test('pods that went while programs of two builds ran are gone, and new ones are as any other', async () => {
    const { cluster } = host;
    const gone = (await host.endpoints()).find(({ pod }) => pod === 'x/c');
    const killed = { ...variant, preload: PRELOAD, env: { SLUICE_TEST_KILL: HALF_WAY[attach] } };
    await expect(host.replaceAgent(killed)).rejects.toThrow('ended before it was ready');
    await cluster.stopPod('x/c');
    await host.replaceAgent(variant);
    expect(pins().filter((pin) => pin.startsWith(`link-${gone!.id}-`))).toEqual([]);
    expect((await host.endpoints()).map(({ pod }) => pod).toSorted()).toEqual(['x/a', 'x/b']);
    await cluster.startPods([{ namespace: 'x', name: 'c', node: 0, labels: { pod: 'c' }, ports: SERVED }]);
    expect(await isCutOff(cluster, 'a', 'c')).toBe(true);
    expect(await reaches(cluster, 'c', 'd')).toBe(true);
    expect(await host.isOnPinnedMaps()).toBe(true);
    expect(await host.streamsGoOn()).toBe(true);
  });
});
