import type { AgentStatus, EndpointStatus } from '../../../src/agent/status.ts';

/** An agent for which all is well, with nothing on its node. */
export const WELL: AgentStatus = {
  instance: 'default',
  node: 'n1',
  ready: true,
  attach: 'tcx',
  source: { synced: true, asOf: '2026-01-02T03:04:05.678Z', fault: '' },
  tables: { submitted: 4, realized: 4, generation: 3, revision: 4, failure: '' },
  services: { frontends: 3, backends: 5, slots: 122, failure: '' },
  flows: { liveMax: 262_144, endpointMax: 32_768, newMax: 65_536, live: 12, atLimit: [] },
  podCIDRs: ['10.1.0.0/24', 'fd00::/64'],
  routing: {
    mode: 'auto',
    podMtu: 1450,
    masquerade: true,
    uplinks: [{ interface: 'eth0', address: '192.168.0.1', mtu: 1500 }],
    tunnels: [],
    nodes: [],
    iptables: { flavour: 'nft', by: 'kubelet', alsoIn: '' },
    failure: '',
  },
  ipam: [
    { cidr: '10.1.0.0/24', held: 2, resting: 1, free: 250 },
    { cidr: 'fd00::/64', held: 2, resting: 0, free: 65_533 },
  ],
  tableFill: [
    { table: 'endpoints', used: 2, max: 4096 },
    { table: 'rows', used: 7, max: 524_288 },
  ],
  endpoints: [],
  objectProblems: [],
  compileProblems: [],
  counters: [],
};

export const ENDPOINT: EndpointStatus = {
  id: 1,
  pod: 'x/a',
  containerId: 'c1',
  ifname: 'eth0',
  hostInterface: 'slabcdefghijklm',
  ifindex: 7,
  addresses: ['10.1.0.1', 'fd00::1'],
  state: 'ready',
  closed: false,
  ingressPolicies: [],
  egressPolicies: [],
};
