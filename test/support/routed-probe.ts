/** What reaches what in a routed world, as whom, and what the routing left in a node's kernel. */
import { withNetns } from '../../src/kernel/namespace.ts';
import { Monitor } from '../../src/kernel/netlink/monitor.ts';
import { canonicalAddress, type Family } from '../../src/net/address.ts';
import { PATIENCE_MS, probe } from './probe.ts';
import { type Host, type RoutedWorld, SERVED } from './routed-world.ts';

const NAMES = { 4: 'ipv4', 6: 'ipv6' } as const;
export const BOTH: readonly Family[] = [4, 6];
/** What neighbour entries say of themselves while they are used. */
const PASSING = /reachable|stale|probe|delay|incomplete|failed/;

/** TCP and UDP; the names of who answered, or why nobody did. */
export async function ask(
  from: Host,
  to: Host,
  families: readonly Family[] = BOTH,
  timeoutMs: number = PATIENCE_MS,
): Promise<string[]> {
  const results = families.flatMap((family) =>
    SERVED.map(({ protocol, port }) =>
      probe(from.netns, { protocol, port, address: to.addresses[NAMES[family]] }, { timeoutMs }),
    ),
  );
  return (await Promise.all(results)).map((result) => (result.kind === 'answered' ? result.by : result.kind));
}

/** The answers of that host to all that `ask` asks. */
export function all(host: Host, families: readonly Family[] = BOTH): string[] {
  return families.flatMap(() => SERVED.map(() => host.name));
}

/** `node-b 4 direct` */
export function kindsAt(here: RoutedWorld, index: number): string[] {
  const { nodes } = here.routing(here.node(index)).status();
  return nodes.map(({ node, podCIDR, kind }) => `${node} ${podCIDR.includes(':') ? 6 : 4} ${kind}`).toSorted();
}

/** Everything of routing and iptables in the node's namespace, to compare. */
export async function stateOf(here: RoutedWorld, index: number): Promise<string[]> {
  const { netns, run } = here.node(index);
  const shown = [
    ['ip', '-4', 'route', 'show', 'table', 'all', 'proto', '84'],
    ['ip', '-6', 'route', 'show', 'table', 'all', 'proto', '84'],
    ['ip', '-4', 'rule'],
    ['ip', '-6', 'rule'],
    ['bridge', 'fdb', 'show'],
    ['ip', 'neighbour', 'show', 'nud', 'permanent'],
  ].map(([program, ...args]) => netns.exec(program!, ...args));
  const saved = await Promise.all(['iptables-nft-save', 'ip6tables-nft-save'].map((save) => run(save, [])));
  return [...shown, ...saved.map(({ stdout }) => stdout)].map((text) =>
    text
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .map((line) => line.replace(/\[\d+:\d+\]/, ''))
      .toSorted()
      .join('\n'),
  );
}

/** Source addresses of what asks port 80 while `work` runs, by the sockets' own packets. */
export async function sourcesSeen(host: Host, work: () => Promise<unknown>): Promise<string[]> {
  const recent = ['-t', 'raw', '-I', 'PREROUTING', '-p', 'tcp', '--dport', '80', '-m', 'recent', '--set', '--name'];
  host.netns.exec('iptables-nft', ...recent, 'seen4');
  host.netns.exec('ip6tables-nft', ...recent, 'seen6');
  await work();
  const lists = ['seen4', 'seen6'].map((name) => host.netns.exec('cat', `/proc/net/xt_recent/${name}`));
  for (const tool of ['iptables-nft', 'ip6tables-nft']) host.netns.exec(tool, '-t', 'raw', '-F');
  return lists.flatMap((list) => [...list.matchAll(/src=(\S+)/g)].map(([, address]) => canonicalAddress(address!)!));
}

/** What changes in the tables of routes, rules and interfaces from now on. */
export function watchChanges(netns: Host['netns']): { seen(): string[] } & Disposable {
  const monitor = withNetns(netns.fd, () => Monitor.open(['link', 'route', 'rule', 'neighbour', 'address']));
  return {
    seen: () =>
      monitor
        .read()
        .events.map((event) => JSON.stringify(event))
        .filter((text) => !PASSING.test(text)),
    [Symbol.dispose]: () => monitor.close(),
  };
}
