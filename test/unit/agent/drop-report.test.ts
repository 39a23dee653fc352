import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { DropReporter } from '../../../src/agent/drop-report.ts';
import { EndpointRecords } from '../../../src/agent/endpoint-record.ts';
import { Snapshot } from '../../../src/cluster/snapshot.ts';
import type { Pod } from '../../../src/policy/model.ts';
import type { EndpointTable } from '../../../src/policy/tables.ts';
import { formatDrop } from '../../../src/commands/drops.ts';
import { tempFolder } from '../lib/temp-folder.ts';
import { sampleDrop } from './sample-drop.ts';
import { sampleRecord } from './sample-record.ts';

const WALL_MS = Date.parse('2026-01-02T03:04:05.678Z');
const OPEN = 1;
const CLOSED = 0;

let snapshot: Snapshot;
let records: EndpointRecords;
let reporter: DropReporter;

beforeEach(async () => {
  snapshot = new Snapshot();
  records = new EndpointRecords(join(tempFolder(), 'endpoints'));
  await records.load();
  reporter = new DropReporter(snapshot, records);
  await records.put(sampleRecord(1, 'a'));
  await records.put(sampleRecord(2, 'b'));
  reporter.setTables(
    table([
      { id: 1, ingress: OPEN, ingressPolicies: [], egressPolicies: ['x/no-egress'] },
      { id: 2, ingress: 9, ingressPolicies: ['x/deny', 'x/web'], egressPolicies: [] },
    ]),
  );
});

function table(
  rows: readonly { id: number; ingress: number; ingressPolicies: string[]; egressPolicies: string[] }[],
): EndpointTable {
  const ruleSets = Uint32Array.from(rows, ({ ingress }) => ingress);
  return {
    id: Uint32Array.from(rows, ({ id }) => id),
    ingress: ruleSets,
    egress: ruleSets,
    ingressPolicies: rows.map(({ ingressPolicies }) => ingressPolicies),
    egressPolicies: rows.map(({ egressPolicies }) => egressPolicies),
  };
}

const message = (...[fields]: Parameters<typeof sampleDrop>): string =>
  reporter.report(sampleDrop(fields), WALL_MS).message;

describe('the message of a drop', () => {
  test('names both pods, port and the policies that isolate the receiver', () => {
    expect(message()).toBe('x/a -> x/b 80/TCP dropped at ingress of x/b: no rule of x/deny, x/web allows it');
  });

  test('names the policies of the sender when it was dropped there', () => {
    expect(message({ direction: 'egress', endpointId: 1 })).toBe(
      'x/a -> x/b 80/TCP dropped at egress of x/a: no rule of x/no-egress allows it',
    );
  });

  test('does without policies when the endpoint is not in the tables any more', () => {
    expect(message({ endpointId: 77 })).toBe(
      'x/a -> x/b 80/TCP dropped at ingress of x/b: no rule of its policies allows it',
    );
  });

  test('has the address of what is no pod', () => {
    expect(message({ source: '192.0.2.7' })).toMatch(/^192\.0\.2\.7 -> x\/b 80\/TCP dropped at ingress of x\/b/);
    expect(message({ source: '192.0.2.7', destination: '2001:db8::1' })).toMatch(
      /^192\.0\.2\.7 -> 2001:db8::1 80\/TCP dropped at ingress of 2001:db8::1/,
    );
  });

  test('has no port for protocols without ports, and the number of protocols without a name', () => {
    expect(message({ protocol: 1 })).toMatch(/^x\/a -> x\/b ICMP dropped/);
    expect(message({ protocol: 58 })).toMatch(/^x\/a -> x\/b ICMPv6 dropped/);
    expect(message({ protocol: 47 })).toMatch(/^x\/a -> x\/b 47 dropped/);
  });

  test('says audited for what passed all the same', () => {
    expect(message({ verdict: 'allow' })).toMatch(/^x\/a -> x\/b 80\/TCP audited at ingress/);
  });

  test('has the reason in words when it was not a policy, and its name when there are none', () => {
    expect(message({ reason: 'closed' })).toBe(
      'x/a -> x/b 80/TCP dropped: the pod at that end is not in the desired state, or its policies are not in force yet',
    );
    expect(message({ reason: 'source_address' })).toBe(
      'x/a -> x/b 80/TCP dropped: the source address is not an address of the pod that sent it',
    );
    expect(message({ reason: 'something_new' })).toBe('x/a -> x/b 80/TCP dropped: something_new');
  });
});

describe('a report', () => {
  test('has the fields that a program reads', () => {
    expect(reporter.report(sampleDrop(), WALL_MS)).toEqual({
      time: '2026-01-02T03:04:05.678Z',
      reason: 'policy',
      direction: 'ingress',
      verdict: 'deny',
      protocol: 'TCP',
      source: '10.1.0.1',
      sourcePort: 4e4,
      destination: '10.1.0.2',
      destinationPort: 80,
      sourcePod: 'x/a',
      destinationPod: 'x/b',
      policies: ['x/deny', 'x/web'],
      generation: 3,
      suppressed: 0,
      message: 'x/a -> x/b 80/TCP dropped at ingress of x/b: no rule of x/deny, x/web allows it',
    });
  });

  test('names no policies when the reason is another', () => {
    expect(reporter.report(sampleDrop({ reason: 'malformed' }), WALL_MS).policies).toEqual([]);
  });

  test('has no pod where an address is none', () => {
    const report = reporter.report(sampleDrop({ source: '192.0.2.7' }), WALL_MS);
    expect(report).not.toHaveProperty('sourcePod');
    expect(report.destinationPod).toBe('x/b');
  });

  test('as a line says how many like it were not told', () => {
    const report = reporter.report(sampleDrop({ suppressed: 12 }), WALL_MS);
    expect(formatDrop(report)).toBe(
      '2026-01-02T03:04:05.678Z x/a -> x/b 80/TCP dropped at ingress of x/b: no rule of x/deny, x/web allows it ' +
        '(and 12 like it before)',
    );
  });
});

describe('the pod at an address', () => {
  const pod: Pod = {
    namespace: 'y',
    name: 'far',
    uid: '',
    nodeName: 'n2',
    labels: {},
    podIPs: ['192.0.2.7'],
    hostNetwork: false,
    terminal: false,
    namedPorts: [],
  };
  const fromFar = (): string | undefined => reporter.report(sampleDrop({ source: '192.0.2.7' }), WALL_MS).sourcePod;

  test('is one of the desired state, as long as it lives and has the address for itself', () => {
    expect(fromFar()).toBeUndefined();
    snapshot.apply([{ kind: 'Pod', op: 'set', object: pod }]);
    expect(fromFar()).toBe('y/far');
    snapshot.apply([{ kind: 'Pod', op: 'set', object: { ...pod, terminal: true } }]);
    expect(fromFar()).toBeUndefined();
    snapshot.apply([{ kind: 'Pod', op: 'set', object: { ...pod, hostNetwork: true } }]);
    expect(fromFar()).toBeUndefined();
  });

  test('is known from its ADD on, before the desired state tells the address, until its DEL', async () => {
    const record = sampleRecord(5, 'new', { addresses: ['192.0.2.7'] });
    expect(fromFar()).toBeUndefined();
    await records.put(record);
    expect(fromFar()).toBe('x/new');
    await records.remove(record);
    expect(fromFar()).toBeUndefined();
  });
});

test('an endpoint is closed when the tables say so, or do not know it', () => {
  reporter.setTables(
    table([
      { id: 1, ingress: CLOSED, ingressPolicies: [], egressPolicies: [] },
      { id: 2, ingress: OPEN, ingressPolicies: [], egressPolicies: [] },
    ]),
  );
  expect([1, 2, 3].map((id) => reporter.isClosed(id))).toEqual([true, false, true]);
});
