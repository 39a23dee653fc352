import { describe, expect, test } from 'vitest';
import { PolicyEvents, type PolicyTrouble, TROUBLES_MAX } from '../../../../src/agent/observe/policy-events.ts';
import { policyTroubles } from '../../../../src/agent/observe/policy-troubles.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/api-error.ts';
import type { ApiWrite } from '../../../../src/cluster/kubernetes/transport.ts';
import { FakeClock } from '../../lib/fake-clock.ts';
import { MemoryLog } from '../../cni/memory-log.ts';

const POLICY = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'shop', name: 'web' };
const TROUBLE: PolicyTrouble = { object: POLICY, reason: 'NotEnforced', message: 'no such field', ofNode: false };

interface Written {
  readonly path: string;
  readonly event: {
    readonly metadata: { readonly name: string; readonly namespace: string };
    readonly involvedObject: object;
    readonly message: string;
    readonly source: object;
  };
}

/** An API server that refuses a second object of a name, and whatever `refuse` says. */
class EventServer {
  readonly written: Written[] = [];
  refuse: ApiError | undefined;
  attempts = 0;

  write = async (path: string, { body }: ApiWrite): Promise<void> => {
    this.attempts += 1;
    if (this.refuse !== undefined) throw this.refuse;
    const event = JSON.parse(body) as Written['event'];
    if (this.written.some((other) => other.event.metadata.name === event.metadata.name)) {
      throw new ApiError('conflict', 'already exists');
    }
    this.written.push({ path, event });
  };
}

function eventsTo(server: EventServer, clock: FakeClock, node = 'n1'): PolicyEvents {
  const uidOf = (): string => 'uid-1';
  return new PolicyEvents({ write: server.write, uidOf, node, clock, random: () => 0, log: new MemoryLog() });
}

async function settle(clock: FakeClock): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(0);
  }
}

describe('events on policies', () => {
  test('one is written in the namespace of the policy, about that policy', async () => {
    const [server, clock] = [new EventServer(), new FakeClock()];
    await using events = eventsTo(server, clock);
    events.take([TROUBLE]);
    await settle(clock);
    expect(server.written).toHaveLength(1);
    const [{ path, event }] = server.written as [Written];
    expect(path).toBe('/api/v1/namespaces/shop/events');
    expect(event.involvedObject).toEqual({ ...POLICY, uid: 'uid-1' });
    expect(event.metadata.name).toMatch(/^web\.[0-9a-f]{16}$/);
    expect(event.message).toBe('no such field');
  });

  test('what every node finds is told once', async () => {
    const [server, clock] = [new EventServer(), new FakeClock()];
    await using first = eventsTo(server, clock, 'n1');
    await using second = eventsTo(server, clock, 'n2');
    first.take([TROUBLE]);
    second.take([TROUBLE]);
    await settle(clock);
    expect(server.attempts).toBe(2);
    expect(server.written).toHaveLength(1);
  });

  test('what is true of a node is told by each, with its name', async () => {
    const [server, clock] = [new EventServer(), new FakeClock()];
    await using first = eventsTo(server, clock, 'n1');
    await using second = eventsTo(server, clock, 'n2');
    const trouble = { ...TROUBLE, ofNode: true };
    first.take([trouble]);
    second.take([trouble]);
    await settle(clock);
    expect(server.written.map(({ event }) => event.source)).toEqual([
      { component: 'sluice', host: 'n1' },
      { component: 'sluice', host: 'n2' },
    ]);
  });

  test('the same trouble is not told again with every look, and is once an hour', async () => {
    const [server, clock] = [new EventServer(), new FakeClock()];
    await using events = eventsTo(server, clock);
    events.take([TROUBLE]);
    await settle(clock);
    events.take([TROUBLE]);
    await settle(clock);
    expect(server.attempts).toBe(1);
    clock.advance(56 * 60_000);
    await settle(clock);
    expect(server.written).toHaveLength(2);
  });

  test('a server that refuses is asked again later, and nothing else meanwhile', async () => {
    const [server, clock] = [new EventServer(), new FakeClock()];
    await using events = eventsTo(server, clock);
    server.refuse = new ApiError('forbidden', 'no');
    events.take([TROUBLE, { ...TROUBLE, message: 'another' }]);
    await settle(clock);
    expect(server.attempts).toBe(1);
    server.refuse = undefined;
    clock.advance(31_000);
    await settle(clock);
    expect(server.written).toHaveLength(2);
  });

  test('a policy that has gone is not told of', async () => {
    const [server, clock] = [new EventServer(), new FakeClock()];
    const parts = { write: server.write, node: 'n1', clock, random: () => 0, log: new MemoryLog() };
    await using events = new PolicyEvents({ ...parts, uidOf: () => undefined });
    events.take([TROUBLE]);
    await settle(clock);
    expect(server.attempts).toBe(0);
  });

  test('a cluster with a thousand invalid policies makes a bounded number of them', async () => {
    const [server, clock] = [new EventServer(), new FakeClock()];
    await using events = eventsTo(server, clock);
    const troubles = Array.from({ length: 1000 }, (_, i) => ({ ...TROUBLE, message: `number ${i}` }));
    events.take(troubles);
    for (let turn = 0; turn < 60; turn++) await settle(clock);
    expect(server.written).toHaveLength(TROUBLES_MAX);
  });
});

describe('which findings are about a policy', () => {
  const place = { file: undefined, place: undefined, hint: '' };

  test('problems of other objects and of none are left out', () => {
    const pod = { ...POLICY, kind: 'Pod' };
    const base = { severity: 'error' as const, path: '', message: 'm', ...place };
    expect(
      policyTroubles(
        [
          { ...base, object: pod },
          { ...base, object: undefined },
        ],
        [],
      ),
    ).toEqual([]);
  });

  test('an error says that it is not enforced, a warning that it is doubtful, both where', () => {
    const base = { object: POLICY, path: 'spec.egress[0]', message: 'm', ...place };
    const found = policyTroubles(
      [
        { ...base, severity: 'error' },
        { ...base, severity: 'warning', hint: 'do so' },
      ],
      [],
    );
    expect(found.map(({ reason, message }) => [reason, message])).toEqual([
      ['NotEnforced', 'spec.egress[0]: m'],
      ['Doubtful', 'spec.egress[0]: m (do so)'],
    ]);
  });

  test('tables that do not fit are told on the policies that need the room, of either kind', () => {
    const found = policyTroubles(
      [],
      [
        {
          kind: 'limit',
          limit: 'LIMIT_ROWS',
          needed: 9,
          available: 8,
          policies: ['shop/web', 'cnp:all'],
          message: 'rows',
        },
      ],
    );
    expect(found.map(({ object, ofNode }) => [object.kind, object.namespace, object.name, ofNode])).toEqual([
      ['NetworkPolicy', 'shop', 'web', true],
      ['ClusterNetworkPolicy', '', 'all', true],
    ]);
  });
});
