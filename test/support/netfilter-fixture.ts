/**
 * Netfilter rules as real nodes have them: the chains that kube-proxy and the kubelet make (with the INVALID drop and
 * the masquerade by mark) and those of Docker (FORWARD policy DROP). Allowed traffic has to pass beside them.
 */
import type { TestNetns } from './netns.ts';
import { runCommand } from './run-command.ts';

export type IptablesFlavour = 'nft' | 'legacy';

interface FamilyRules {
  readonly program: 'iptables' | 'ip6tables';
  readonly loopback: string;
  readonly dockerCidr: string;
  readonly serviceAddress: string;
  readonly apiServer: string;
}

const FAMILIES: readonly FamilyRules[] = [
  {
    program: 'iptables',
    loopback: '127.0.0.0/8',
    dockerCidr: '172.17.0.0/16',
    serviceAddress: '10.96.0.1/32',
    apiServer: '172.30.0.1:6443',
  },
  {
    program: 'ip6tables',
    loopback: '::1/128',
    dockerCidr: 'fd00:d0c::/64',
    serviceAddress: 'fd00:96::1/128',
    apiServer: '[fd30::1]:6443',
  },
];

/** Loads the rules of both families into the (still empty) tables of the namespace. Without a flavour: the default one. */
export async function loadNetfilterFixture(netns: TestNetns, flavour?: IptablesFlavour): Promise<void> {
  const suffix = flavour === undefined ? '' : `-${flavour}`;
  const load = (rules: FamilyRules): Promise<string> =>
    runCommand(`${rules.program}${suffix}-restore`, [], { netns, input: tables(rules) });
  await Promise.all(FAMILIES.map(load));
}

function tables(rules: FamilyRules): string {
  return [...mangle(), ...filter(rules), ...nat(rules), ''].join('\n');
}

function mangle(): string[] {
  return [
    '*mangle',
    ':KUBE-IPTABLES-HINT - [0:0]',
    ':KUBE-KUBELET-CANARY - [0:0]',
    ':KUBE-PROXY-CANARY - [0:0]',
    'COMMIT',
  ];
}

function filter({ loopback }: FamilyRules): string[] {
  return [
    '*filter',
    ':INPUT ACCEPT [0:0]',
    ':FORWARD DROP [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':DOCKER - [0:0]',
    ':DOCKER-ISOLATION-STAGE-1 - [0:0]',
    ':DOCKER-ISOLATION-STAGE-2 - [0:0]',
    ':DOCKER-USER - [0:0]',
    ':KUBE-EXTERNAL-SERVICES - [0:0]',
    ':KUBE-FIREWALL - [0:0]',
    ':KUBE-FORWARD - [0:0]',
    ':KUBE-NODEPORTS - [0:0]',
    ':KUBE-PROXY-FIREWALL - [0:0]',
    ':KUBE-SERVICES - [0:0]',
    '-A INPUT -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL',
    '-A INPUT -j KUBE-NODEPORTS',
    '-A INPUT -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES',
    '-A INPUT -j KUBE-FIREWALL',
    '-A FORWARD -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL',
    '-A FORWARD -j KUBE-FORWARD',
    '-A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES',
    '-A FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES',
    '-A FORWARD -j DOCKER-USER',
    '-A FORWARD -j DOCKER-ISOLATION-STAGE-1',
    '-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A FORWARD -o docker0 -j DOCKER',
    '-A FORWARD -i docker0 ! -o docker0 -j ACCEPT',
    '-A FORWARD -i docker0 -o docker0 -j ACCEPT',
    '-A OUTPUT -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL',
    '-A OUTPUT -m conntrack --ctstate NEW -j KUBE-SERVICES',
    '-A OUTPUT -j KUBE-FIREWALL',
    '-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2',
    '-A DOCKER-ISOLATION-STAGE-1 -j RETURN',
    '-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP',
    '-A DOCKER-ISOLATION-STAGE-2 -j RETURN',
    '-A DOCKER-USER -j RETURN',
    `-A KUBE-FIREWALL ! -s ${loopback} -d ${loopback} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
    '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    '-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT',
    '-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    'COMMIT',
  ];
}

function nat({ dockerCidr, serviceAddress, apiServer }: FamilyRules): string[] {
  return [
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':INPUT ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    ':DOCKER - [0:0]',
    ':KUBE-MARK-MASQ - [0:0]',
    ':KUBE-NODEPORTS - [0:0]',
    ':KUBE-POSTROUTING - [0:0]',
    ':KUBE-SEP-APISERVER - [0:0]',
    ':KUBE-SERVICES - [0:0]',
    ':KUBE-SVC-APISERVER - [0:0]',
    '-A PREROUTING -j KUBE-SERVICES',
    '-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
    '-A OUTPUT -j KUBE-SERVICES',
    '-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER',
    '-A POSTROUTING -j KUBE-POSTROUTING',
    `-A POSTROUTING -s ${dockerCidr} ! -o docker0 -j MASQUERADE`,
    '-A DOCKER -i docker0 -j RETURN',
    '-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000',
    '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0',
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
    `-A KUBE-SEP-APISERVER -p tcp -m tcp -j DNAT --to-destination ${apiServer}`,
    `-A KUBE-SERVICES -d ${serviceAddress} -p tcp -m tcp --dport 443 -j KUBE-SVC-APISERVER`,
    '-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS',
    '-A KUBE-SVC-APISERVER -j KUBE-SEP-APISERVER',
    'COMMIT',
  ];
}
