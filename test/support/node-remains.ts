/** Everything of pods that a node holds, as sorted text, so that before and after can be compared. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AgentClient } from './agent-client.ts';
import type { CniInstance } from './cni-call.ts';
import { runCommand } from './run-command.ts';

/** Maps whose keys stand for pods; their values change with every generation. */
const POD_MAPS = /^(endpoints|locals|addresses)\b/;

export interface NodeRemains {
  readonly links: readonly string[];
  readonly routes: readonly string[];
  readonly neighbours: readonly string[];
  /** Below the pin root, relative. */
  readonly pins: readonly string[];
  /** `map key`, bytes in hexadecimal. */
  readonly mapKeys: readonly string[];
  /** Below the run directory of the instance, relative. */
  readonly files: readonly string[];
}

/** After what an agent that serves still does behind its answers. bpfRoot: the bpffs of the instance's agent. */
export async function readNodeRemains(instance: CniInstance, bpfRoot: string): Promise<NodeRemains> {
  await settle(join(instance.runDir, instance.instance, 'agent.sock'));
  const ip = async (...args: string[]): Promise<string[]> =>
    lines(await runCommand('ip', [...args], { netns: instance.nodeNetns }));
  const pins = filesBelow(bpfRoot).filter((path) => path.includes(`${instance.instance}/`));
  const mapPins = pins.filter((path) => POD_MAPS.test(path.slice(path.lastIndexOf('/') + 1)));
  return {
    links: (await ip('-o', 'link', 'show')).map((line) => line.split(': ')[1] ?? ''),
    routes: [
      ...(await ip('-4', 'route', 'show', 'table', 'all')),
      ...(await ip('-6', 'route', 'show', 'table', 'all')),
    ],
    neighbours: await ip('neighbour', 'show', 'nud', 'permanent'),
    pins,
    mapKeys: (await Promise.all(mapPins.map((pin) => mapKeys(join(bpfRoot, pin), pin)))).flat().toSorted(),
    files: filesBelow(join(instance.runDir, instance.instance)),
  };
}

/** An agent that does not serve, or cannot bring its state in force, has nothing more to do. */
async function settle(socketPath: string): Promise<void> {
  await new AgentClient(socketPath).sync().catch(() => undefined);
}

async function mapKeys(path: string, name: string): Promise<string[]> {
  const dump = JSON.parse(await runCommand('bpftool', ['-j', 'map', 'dump', 'pinned', path])) as { key: string[] }[];
  return dump.map(({ key }) => `${name} ${key.map((octet) => octet.slice(2)).join('')}`);
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .toSorted();
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .toSorted();
}
