import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type AgentStatus, countersOf } from '../../../src/agent/status.ts';
import type { ObjectProblem } from '../../../src/cluster/source.ts';
import { formatStatus, isWell } from '../../../src/commands/status.ts';
import { ENDPOINT, WELL } from './sample-status.ts';

const PROBLEM: ObjectProblem = {
  severity: 'error',
  object: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'x', name: 'web' },
  file: '/etc/sluice/web.yaml',
  place: { line: 9, column: 11, excerpt: '  - port: 99999\n          ^' },
  path: 'spec.ingress[0].ports[0].port',
  message: 'must be 1 to 65535',
  hint: 'a named port is text',
};

function shown(status: Partial<AgentStatus>): string[] {
  return stripVTControlCharacters(formatStatus({ ...WELL, ...status })).split('\n');
}

describe('an agent is well', () => {
  test('when it is ready and everything that was asked for is in force', () => {
    expect(isWell(WELL)).toBe(true);
    expect(isWell({ ...WELL, tables: { ...WELL.tables, submitted: 5 } })).toBe(true);
    expect(isWell({ ...WELL, objectProblems: [{ ...PROBLEM, severity: 'warning' }] })).toBe(true);
  });

  test.each<[string, Partial<AgentStatus>]>([
    ['it is not ready', { ready: false }],
    ['tables are not in force', { tables: { ...WELL.tables, failure: 'x/big needs 9 of rows' } }],
    ['services are not in force', { services: { ...WELL.services, failure: 'the Services needs 9 of SLOTS_MAX' } }],
    ['its source is out of sight', { source: { ...WELL.source, fault: '/etc/sluice is no folder' } }],
    ['an object could not be taken', { objectProblems: [PROBLEM] }],
  ])('but not when %s', (_, status) => {
    expect(isWell({ ...WELL, ...status })).toBe(false);
  });
});

describe('the table', () => {
  test('says all there is to say of an idle agent', () => {
    expect(shown({})).toEqual([
      'instance default on node n1: well',
      '  in force     generation 3',
      '  source       as of 2026-01-02T03:04:05.678Z',
      '  podCIDRs     10.1.0.0/24 (2 held, 1 resting, 250 free), fd00::/64 (2 held, 65533 free)',
      '  tables       2 of 4096 endpoints, 7 of 524288 rows',
      '  routing      auto: no other node; MTU of pods 1450',
      '  iptables     nft (by kubelet); pods are masqueraded out of the cluster',
      '  programs     attached by tcx',
      '  flows        12 answered of 262144, 32768 a pod',
      '  services     3 frontends, 5 backends',
      '',
      'endpoints',
      '  none',
      '',
      'packets',
      '  none yet',
    ]);
  });

  test('has a line for each endpoint, in columns, with the policies of each side', () => {
    const isolated = { ...ENDPOINT, pod: 'x/longer', addresses: ['10.1.0.22'], ingressPolicies: ['x/deny', 'x/web'] };
    expect(shown({ endpoints: [ENDPOINT, isolated] }).slice(12, 14)).toEqual([
      '  x/a       10.1.0.1 fd00::1  slabcdefghijklm  ingress open           egress open',
      '  x/longer  10.1.0.22         slabcdefghijklm  ingress x/deny, x/web  egress open',
    ]);
  });

  test('does not call an endpoint open that is closed', () => {
    expect(shown({ endpoints: [{ ...ENDPOINT, closed: true }] })[12]).toMatch(/ingress closed {2}egress closed$/);
  });

  test('has the place, the hint and the line of an object that could not be taken', () => {
    const lines = shown({ objectProblems: [PROBLEM] });
    expect(lines[0]).toBe('instance default on node n1: needs attention');
    expect(lines.slice(14, 18)).toEqual([
      'problems',
      '  /etc/sluice/web.yaml:9:11: error: NetworkPolicy x/web: spec.ingress[0].ports[0].port: must be 1 to 65535 ' +
        '(a named port is text)',
      '        - port: 99999',
      '                ^',
    ]);
  });

  test('has what the compiler found', () => {
    const problem = {
      kind: 'unknown-pod',
      endpoint: 1,
      pod: 'x/a',
      message: 'endpoint 1 is closed: no pod x/a',
    } as const;
    expect(shown({ compileProblems: [problem] })).toContain('  endpoint 1 is closed: no pod x/a');
  });

  test('says why the newest state is not in force, or that it is on its way', () => {
    const tables = { ...WELL.tables, submitted: 6 };
    expect(shown({ tables })[1]).toBe('  in force     generation 3, without the newest 2 of 6 changes: on their way');
    const failed = shown({ tables: { ...tables, failure: 'x/big needs 9 of rows, which holds 8' } });
    expect(failed[1]).toBe('  in force     generation 3, without the newest 2 of 6 changes');
    expect(failed[10]).toBe('  not in force x/big needs 9 of rows, which holds 8');
  });

  test('says that the source was never seen whole, and why', () => {
    const source = { synced: false, asOf: '1970-01-01T00:00:00.000Z', fault: 'Pod: connection refused' };
    expect(shown({ source })).toContain('  source       not seen whole yet: Pod: connection refused');
    expect(shown({ source: { ...source, fault: '' } })).toContain('  source       not seen whole yet');
  });

  test('says that the source is out of sight, and that there are no podCIDRs', () => {
    const lines = shown({ source: { ...WELL.source, fault: '/etc/sluice is no folder' }, podCIDRs: [] });
    expect(lines.slice(2, 4)).toEqual([
      '  source       as of 2026-01-02T03:04:05.678Z; since then: /etc/sluice is no folder',
      '  podCIDRs     none',
    ]);
  });

  test('says how pods of other nodes are reached, and why some are not', () => {
    const via = {
      kind: 'vxlan',
      via: '192.168.1.2',
      device: 'svabc4',
      why: 'it is in no network of this node',
    } as const;
    const lost = { kind: 'none', via: '', device: '', why: 'it has no InternalIP' } as const;
    const tunnel = { interface: 'svabc4', local: '192.168.0.1', mtu: 1450, port: 8483, vni: 83 };
    const nodes = [
      { node: 'n2', podCIDR: '10.1.1.0/24', ...via },
      { node: 'n3', podCIDR: '10.1.2.0/24', ...lost },
    ];
    const lines = shown({ routing: { ...WELL.routing, tunnels: [tunnel], nodes } });
    expect(lines[5]).toBe('  routing      auto: 1 vxlan over svabc4, 1 without a route of ours; MTU of pods 1450');
    expect(lines).toContain('  n2  10.1.1.0/24  vxlan  via 192.168.1.2 over svabc4');
    expect(lines).toContain('  n3  10.1.2.0/24  none   it has no InternalIP');
  });

  test('has the counters that have counted', () => {
    const counters = countersOf([
      { reason: 'policy', direction: 'ingress', packets: 12n, bytes: 1008n },
      { reason: 'closed', direction: 'egress', packets: 0n, bytes: 0n },
    ]);
    expect(shown({ counters }).slice(-1)).toEqual(['  policy  ingress  12  1008 bytes']);
  });
});
