import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CompilerThread } from '../../../src/agent/compile-service.ts';
import { isServiceDelta } from '../../../src/service/delta.ts';
import type { ClusterChange } from '../../../src/policy/model.ts';
import type { SliceEndpoint } from '../../../src/service/model.ts';
import { endpoint, makeService, makeSlice, setService, setSlice } from '../../support/service-builders.ts';

let ends: Error[];
let thread: CompilerThread;

beforeEach(() => {
  ends = [];
  thread = new CompilerThread({ node: 'n1' }, (error) => ends.push(error));
});

afterEach(async () => {
  await thread.close();
});

function nodeChange(...podCIDRs: string[]): ClusterChange {
  return { kind: 'Node', op: 'set', object: { name: 'n1', podCIDRs, addresses: [] } };
}

/** What no source makes. */
function brokenChange(text: string): ClusterChange {
  return JSON.parse(text) as ClusterChange;
}

describe('the compiler thread', () => {
  test('compiles what it was told so far, in order', async () => {
    thread.update([nodeChange('10.1.0.0/24', '10.2.0.0/24')]);
    const first = await thread.compile();
    expect(first.tables.revision).toBe(1);
    const before = first.tables.prefixes.classes.length;
    thread.update([nodeChange('10.1.0.0/24')]);
    thread.update([nodeChange()]);
    const second = await thread.compile();
    expect(second.tables.revision).toBe(2);
    expect(second.tables.prefixes.classes.length).toBe(before - 2);
    expect(second.problems).toEqual([]);
  });

  test('keeps its own tables when those it gave away are changed', async () => {
    thread.update([nodeChange('10.1.0.0/24')]);
    const first = await thread.compile();
    const keys = Uint8Array.from(first.tables.prefixes.keys);
    first.tables.prefixes.keys.fill(0);
    expect((await thread.compile()).tables.prefixes.keys).toEqual(keys);
  });

  test('uses an id again only once the tables that retired it are said to be in force', async () => {
    const policy = (port: number): ClusterChange => ({
      kind: 'NetworkPolicy',
      op: 'set',
      object: {
        namespace: 'x',
        name: 'web',
        podSelector: {
          matchLabels: {},
          matchExpressions: [],
        },
        policyTypes: ['Ingress'],
        ingress: [
          {
            peers: [],
            ports: [
              {
                protocol: 'TCP',
                port,
              },
            ],
          },
        ],
        egress: [],
      },
    });
    thread.update([
      { kind: 'Namespace', op: 'set', object: { name: 'x', labels: {} } },
      {
        kind: 'Pod',
        op: 'set',
        object: {
          namespace: 'x',
          name: 'a',
          uid: '',
          nodeName: 'n1',
          labels: {},
          podIPs: ['10.1.0.1'],
          hostNetwork: false,
          terminal: false,
          namedPorts: [],
        },
      },
      {
        kind: 'LocalEndpoint',
        op: 'set',
        object: { id: 1, namespace: 'x', name: 'a', uid: '', addresses: ['10.1.0.1'] },
      },
      policy(1),
    ]);
    const ruleSetOf = async (port: number, isReleased: boolean): Promise<number | undefined> => {
      thread.update([policy(port)]);
      const compiled = await thread.compile();
      if (isReleased) thread.applied(compiled);
      return compiled.tables.endpoints.ingress[0];
    };
    const held = [await ruleSetOf(1, false), await ruleSetOf(2, false), await ruleSetOf(3, false)];
    expect(new Set(held).size).toBe(3);
    await ruleSetOf(4, true);
    expect(held).toContain(await ruleSetOf(5, true));
  });

  test("SVC-22: prefers backends for the zone of the node's Node object, which may come later and change", async () => {
    const near = (address: string, zone: string): SliceEndpoint => endpoint(address, { forZones: [zone] });
    thread.update(
      [],
      [
        setService(makeService('x/web')),
        setSlice(makeSlice('x/web-1', 'web', { endpoints: [near('10.1.0.1', 'a'), near('10.1.0.2', 'b')] })),
      ],
    );
    const backendsIn = async (changes: readonly ClusterChange[]): Promise<number | undefined> => {
      thread.update(changes);
      const tables = (await thread.compile()).services?.tables;
      if (tables === undefined) return undefined;
      return isServiceDelta(tables) ? tables.changed[0]?.backends.length : tables.backends.ids.length;
    };
    const inZone = (zone: string): ClusterChange => ({
      kind: 'Node',
      op: 'set',
      object: { name: 'n1', podCIDRs: [], addresses: [], ...(zone !== '' && { zone }) },
    });
    expect(await backendsIn([])).toBe(2);
    expect(await backendsIn([inZone('a')])).toBe(1);
    expect(await backendsIn([inZone('c')])).toBe(2);
    expect(await backendsIn([inZone('b')])).toBe(1);
    expect(await backendsIn([{ kind: 'Node', op: 'delete', key: 'n1' }])).toBe(2);
  });

  test('compiles one at a time', async () => {
    const first = thread.compile();
    await expect(thread.compile()).rejects.toThrow('a compile is under way already');
    expect((await first).tables.revision).toBe(1);
  });
});

describe('the end of the thread', () => {
  test.each([
    ['a change', '{"kind":"Pod","op":"set","object":null}'],
    ['a compile', '{"kind":"NodeAddresses","op":"set","object":null}'],
  ])(
    'by an error in %s is told once, to the owner and to the compile under way, and to every later one',
    async (_, text) => {
      thread.update([brokenChange(text)]);
      await expect(thread.compile()).rejects.toThrow('the compiler failed: ');
      await expect(thread.compile()).rejects.toThrow('the compiler failed: ');
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(ends.map(({ message }) => message)).toEqual([
        expect.stringMatching(/^the compiler failed: Cannot|^the compiler failed: .* is not/),
      ]);
      expect(ends[0]?.cause).toBeInstanceOf(TypeError);
    },
  );

  test('by close is told to the compile under way only', async () => {
    const told = expect(thread.compile()).rejects.toThrow('the compiler is closed');
    await thread.close();
    await told;
    await expect(thread.compile()).rejects.toThrow('the compiler is closed');
    expect(ends).toEqual([]);
  });
});
