/** What of an instance is in the kernel: which programs hang on a pod's interface, and which maps they use. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { TcxLink } from '../../src/kernel/bpf-link.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { listBpfFilters } from '../../src/kernel/netlink/filter.ts';
import { Netlink } from '../../src/kernel/netlink/netlink.ts';
import type { TestNetns } from './netns.ts';
import { runCommand, tryCommand } from './run-command.ts';

export interface EndpointOnNode {
  readonly id: number;
  readonly ifindex: number;
}

/** Ids of the maps pinned in the directory, by name of the pin. */
export async function pinnedMaps(directory: string): Promise<ReadonlyMap<string, number>> {
  const names = readdirSync(directory).filter((name) => !name.startsWith('link-'));
  const ids = names.map(async (name): Promise<[string, number]> => {
    const text = await runCommand('bpftool', ['-j', 'map', 'show', 'pinned', join(directory, name)]);
    return [name, (JSON.parse(text) as { id: number }).id];
  });
  return new Map(await Promise.all(ids));
}

/** Ids of the programs of the instance with that pin directory on an interface; none where nothing of ours hangs. */
export function programsOn(directory: string, netns: TestNetns, { id, ifindex }: EndpointOnNode): readonly number[] {
  const filters = withNetns(netns.fd, () => {
    using netlink = Netlink.open();
    return (['ingress', 'egress'] as const).flatMap((direction) => netlink.dump(listBpfFilters(ifindex, direction)));
  });
  const links = ['in', 'out']
    .map((side) => join(directory, `link-${id}-${side}`))
    .filter((path) => existsSync(path))
    .map((path) => {
      using link = TcxLink.openPinned(path);
      return link.info();
    });
  return [...filters.map(({ programId }) => programId ?? 0), ...links.map(({ programId }) => programId)];
}

export async function mapsOfProgram(id: number): Promise<readonly number[]> {
  const text = await runCommand('bpftool', ['-j', 'prog', 'show', 'id', String(id)]);
  return (JSON.parse(text) as { map_ids: readonly number[] }).map_ids;
}

export async function isMapInKernel(id: number): Promise<boolean> {
  return (await tryCommand('bpftool', ['-j', 'map', 'show', 'id', String(id)])).exitCode === 0;
}

/** The elements of a pinned map, with the fields that its own type information names. */
export async function dumpByFields(
  path: string,
): Promise<readonly { readonly key: Record<string, unknown>; readonly value: Record<string, unknown> }[]> {
  const text = await runCommand('bpftool', ['-j', 'map', 'dump', 'pinned', path]);
  const entries = JSON.parse(text) as { formatted: { key: Record<string, unknown>; value: Record<string, unknown> } }[];
  return entries.map(({ formatted }) => formatted);
}
