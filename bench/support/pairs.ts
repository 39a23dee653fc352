/** Two namespaces that can talk, in the ways that same-node traffic is compared. IPv4, MTU 1500, nothing but what is said. */
import type { Ledger } from '../../test/support/ledger.ts';
import type { TestNetns } from '../../test/support/netns.ts';
import { ipBatch, setSysctls } from '../../test/support/run-command.ts';
import { loadFilterRules } from './filter-rules.ts';
import type { AppPolicy } from './policies.ts';

export interface Pair {
  readonly name: string;
  readonly client: TestNetns;
  readonly server: TestNetns;
  readonly serverAddress: string;
}

const CLIENT = '10.90.0.2';
const SERVER = '10.90.1.2';
const GATEWAYS = ['10.90.0.1', '10.90.1.1'] as const;

/** One veth, straight from one namespace into the other. */
export async function makeDirectPair(ledger: Ledger): Promise<Pair> {
  const client = ledger.makeNetns('direct-client');
  const server = ledger.makeNetns('direct-server');
  await ipBatch(client, [`link add eth0 type veth peer name eth0 netns ${server.name}`]);
  for (const [netns, address] of [[client, CLIENT] as const, [server, '10.90.0.3'] as const]) {
    await ipBatch(netns, [`address add ${address}/24 dev eth0`, 'link set eth0 up']);
  }
  return { name: 'direct veth', client, server, serverAddress: '10.90.0.3' };
}

/** A veth each to a third namespace that routes between them: no program, no netfilter rule. */
export async function makeRoutedPair(ledger: Ledger, name = 'routed veths'): Promise<Pair & { router: TestNetns }> {
  const router = ledger.makeNetns('router');
  const client = ledger.makeNetns('routed-client');
  const server = ledger.makeNetns('routed-server');
  await setSysctls(router, { 'net.ipv4.ip_forward': '1' });
  for (const [index, netns] of [client, server].entries()) {
    const gateway = GATEWAYS[index]!;
    await ipBatch(router, [
      `link add pod${index} type veth peer name eth0 netns ${netns.name}`,
      `address add ${gateway}/24 dev pod${index}`,
      `link set pod${index} up`,
    ]);
    await ipBatch(netns, [
      `address add ${index === 0 ? CLIENT : SERVER}/24 dev eth0`,
      'link set eth0 up',
      `route add default via ${gateway}`,
    ]);
  }
  return { name, client, server, router, serverAddress: SERVER };
}

/** The routed pair with the policies as iptables and ipset rules in the namespace that routes. */
export async function makeFilteredPair(ledger: Ledger, policies: readonly AppPolicy[]): Promise<Pair> {
  const pair = await makeRoutedPair(ledger, 'iptables + ipset');
  await loadFilterRules(pair.router, policies, { client: CLIENT, server: SERVER });
  return pair;
}
