/**
 * Everything that an instance leaves on a node, each with a way to look for it and a way to remove it. Looked for where it
 * would be, not in a list of what was made: so what is said to be gone is gone.
 */
import { existsSync, readdirSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isBpffs, listPins, unlinkPin } from '../../kernel/bpffs.ts';
import { unmountBpffs } from '../../kernel/bpffs-mount.ts';
import { tolerating } from '../../kernel/netlink/request.ts';
import { deleteRoute, listRoutes, type Route } from '../../kernel/netlink/route.ts';
import type { InstancePaths } from '../paths.ts';
import { readKernel } from '../routing/kernel-view.ts';
import { NODE_ROUTE_PROTOCOL } from '../routing/marks.ts';
import { removeNodeRouting } from '../routing/remove-routing.ts';
import { listWiredInterfaces, unwirePod } from '../wiring.ts';
import { interfacePrefix } from '../wiring/name.ts';
import { type NodeNetwork, ROUTE_PROTOCOL } from '../wiring/node.ts';
import { type ConflistPlace, conflistPath, findConflists, removeConflist } from './conflist.ts';
import { LAUNCHER_NAME } from './launcher.ts';
import { findOwnRules, removeOwnRules } from './netfilter-trace.ts';

/** Of all instances, below /run and /var/lib. */
const OWN_FOLDER = 'sluice';

export interface Trace {
  /** What was looked for, and where. */
  readonly what: string;
  /** Names of what is there. */
  readonly find: () => Promise<readonly string[]> | readonly string[];
  readonly remove: () => Promise<void> | void;
}

export interface NodeTraces {
  readonly instance: string;
  readonly paths: InstancePaths;
  readonly node: NodeNetwork;
  readonly cniConf: string;
  readonly cniBin: string;
  /** Another instance is installed on this node: what all instances share stays. */
  readonly isShared: boolean;
}

/** In the order in which they go: first what would bring new pods here, last the folders with the records. */
export function tracesOf(parts: NodeTraces): readonly Trace[] {
  const { instance, paths, node, cniConf, isShared } = parts;
  const place: ConflistPlace = { directory: cniConf, instance };
  return [
    {
      what: `CNI configuration ${conflistPath(place)}`,
      find: () => findConflists(place),
      remove: async () => void (await removeConflist(place)),
    },
    ...(isShared ? [] : [launcherTrace(parts.cniBin)]),
    {
      what: `interfaces of pods (${interfacePrefix(instance)}*)`,
      find: () => listWiredInterfaces(node, instance).map(({ name }) => name),
      remove: async () => {
        for (const { name } of listWiredInterfaces(node, instance)) await unwirePod(node, instance, name);
      },
    },
    netfilterTrace(instance),
    ...(isShared ? [] : [nodeRoutingTrace(instance, node), routeTrace(node)]),
    ...pinTraces(parts),
    ...[paths.runDir, paths.stateDir].map(folderTrace),
  ];
}

function launcherTrace(cniBin: string): Trace {
  const files = [LAUNCHER_NAME, `${LAUNCHER_NAME}.new`].map((name) => join(cniBin, name));
  return {
    what: `launcher ${files[0]}`,
    find: () => files.filter((file) => existsSync(file)),
    remove: async () => {
      for (const file of files) await rm(file, { force: true });
    },
  };
}

/** Between nodes: routes, rules for them, tunnels. */
function nodeRoutingTrace(instance: string, node: NodeNetwork): Trace {
  return {
    what: `routes and rules between nodes (proto ${NODE_ROUTE_PROTOCOL}), tunnel devices`,
    find: () => {
      const { ownRoutes, ownPodRoutes, ownRules, tunnels } = readKernel(node.netlink, instance);
      return [
        ...ownRules.map(({ source }) => `rule from ${source ?? 'everywhere'}`),
        ...[...ownRoutes, ...ownPodRoutes].map(({ destination, table }) => `route ${destination} in table ${table}`),
        ...tunnels.map(({ name }) => `interface ${name}`),
      ];
    },
    remove: async () => void (await removeNodeRouting(node, instance)),
  };
}

function routeTrace(node: NodeNetwork): Trace {
  const find = (): readonly Route[] => node.netlink.dump(listRoutes()).filter((r) => r.protocol === ROUTE_PROTOCOL);
  return {
    what: `routes to pods of this node (proto ${ROUTE_PROTOCOL})`,
    find: () => find().map(({ type, destination }) => (type === 'unicast' ? destination : `${type} ${destination}`)),
    remove: () => {
      node.netlink.execute(find().map((route) => tolerating(deleteRoute(specOf(route)), 'ESRCH')));
    },
  };
}

function specOf({ destination, type, index, metric, table, protocol }: Route): Parameters<typeof deleteRoute>[0] {
  return {
    destination,
    ...(type === 'unreachable' && { type }),
    // The kernel shows lo as the interface of unreachable routes over IPv6, and takes none to remove them.
    ...(type === 'unicast' && index !== undefined && { index }),
    metric,
    table,
    protocol,
  };
}

function netfilterTrace(instance: string): Trace {
  const prefix = interfacePrefix(instance);
  return {
    what: `chains SLUICE-${prefix}* and jumps to them (iptables, ip6tables; nft and legacy)`,
    find: async () =>
      (await findOwnRules(prefix)).flatMap(({ tool, table, chains, jumps }) =>
        [...chains, ...jumps].map((name) => `${tool} ${table}: ${name}`),
      ),
    remove: async () => {
      for (const rules of await findOwnRules(prefix)) await removeOwnRules(rules);
    },
  };
}

/** Unpinned links detach their programs; a file system of Sluice's own, below its run directory, is unmounted. */
function pinTraces({ instance, paths, isShared }: NodeTraces): readonly Trace[] {
  const directory = join(paths.pinRoot, instance);
  const isOwn = paths.pinRoot.startsWith(`${join(paths.runDir, '..')}/`);
  const pins: Trace = {
    what: `pinned programs, maps and links (${directory})`,
    find: () => (existsSync(directory) ? [...listPins(directory), directory] : []),
    remove: async () => {
      if (!existsSync(directory)) return;
      for (const pin of listPins(directory)) unlinkPin(pin);
      await rm(directory, { recursive: true, force: true });
    },
  };
  const mount: Trace = {
    what: `BPF file system of its own (${paths.pinRoot})`,
    find: () => (existsSync(paths.pinRoot) && isBpffs(paths.pinRoot) ? [paths.pinRoot] : []),
    remove: async () => {
      if (existsSync(paths.pinRoot) && isBpffs(paths.pinRoot)) unmountBpffs(paths.pinRoot);
      await rm(paths.pinRoot, { recursive: true, force: true });
    },
  };
  return isOwn && !isShared ? [pins, mount] : [pins];
}

/** With the folder of all instances, when this was the last. */
function folderTrace(path: string): Trace {
  const above = join(path, '..');
  const isLast = (): boolean => basename(above) === OWN_FOLDER && existsSync(above) && readdirSync(above).length === 0;
  return {
    what: `folder ${path}`,
    find: () => {
      if (existsSync(path)) return [path, ...readdirSync(path).map((name) => join(path, name))];
      return isLast() ? [above] : [];
    },
    remove: async () => {
      await rm(path, { recursive: true, force: true });
      if (isLast()) await rmdir(above);
    },
  };
}
