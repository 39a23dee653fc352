/**
 * What the compiler promises of its tables beside verdicts: that they do not remember how the state came about, that ids
 * keep their meaning, and that the form is the one tables.ts describes. SLUICE_PROPERTY_RUNS sets the number of clusters.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Compiler, type CompileResult } from '../../src/policy/compiler.ts';
import {
  ADDRESS_KEY_BYTES,
  PEER_CLASS_DEFAULT,
  PEER_CLASS_UNKNOWN_POD,
  PEER_CLASS_WORLD,
  PORT_CLASS_ICMP,
  PORT_CLASS_ICMPV6,
  PORT_CLASS_OTHER,
  PREFIX_KEY_BYTES,
  ROW_BYTES,
  RULE_SET_CLOSED,
  RULE_SET_OPEN,
} from '../../src/policy/ids.ts';
import type { ClusterChange } from '../../src/policy/model.ts';
import { TableReader } from '../../src/policy/simulate.ts';
import type { VerdictTables } from '../../src/policy/tables.ts';
import { clusterPolicyScenarioArb, LOCAL_NODE, scenarioArb } from '../support/generators.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 150);

function distinct(...lists: Iterable<number>[]): number[] {
  return [...new Set(lists.flatMap((list) => [...list]))];
}

/** Ids in use in the tables, fixed ones included. */
function idsOf(tables: VerdictTables): { ruleSets: number[]; peerClasses: number[]; portClasses: number[] } {
  const { endpoints, addresses, prefixes, ports } = tables;
  return {
    ruleSets: distinct(endpoints.ingress, endpoints.egress, [RULE_SET_CLOSED, RULE_SET_OPEN]),
    peerClasses: distinct(addresses.classes, prefixes.classes, [PEER_CLASS_WORLD, PEER_CLASS_UNKNOWN_POD]),
    portClasses: distinct(ports.portClass, [PORT_CLASS_OTHER, PORT_CLASS_ICMP, PORT_CLASS_ICMPV6]),
  };
}

/** The tables with every id replaced by what it means: equal for equal states, whatever the ids. */
function meaningOf(compiler: Compiler, { tables, problems }: CompileResult): unknown {
  const ruleSet = (id: number): string => JSON.stringify({ ...compiler.describeRuleSet(id), id: 0 });
  const peerClass = (id: number): string => JSON.stringify({ ...compiler.describePeerClass(id), id: 0 });
  const portClass = (id: number): string => JSON.stringify({ ...compiler.describePortClass(id), id: 0 });
  const reader = new TableReader(tables);
  const ids = idsOf(tables);
  const allowed = ids.ruleSets.flatMap((rules) =>
    ids.peerClasses.flatMap((peers) =>
      ids.portClasses
        .filter((ports) => reader.verdict(rules, peers, ports))
        .map((ports) => [ruleSet(rules), peerClass(peers), portClass(ports)].join(' / ')),
    ),
  );
  return {
    allowed: allowed.sort(),
    addresses: [...tables.addresses.keys].join(),
    addressClasses: Array.from(tables.addresses.classes, peerClass),
    flags: [...tables.addresses.flags],
    prefixes: [...tables.prefixes.keys].join(),
    prefixClasses: Array.from(tables.prefixes.classes, peerClass),
    ports: Array.from(
      tables.ports.portClass,
      (id, i) => `${tables.ports.protocol[i]} ${tables.ports.first[i]} ${portClass(id)}`,
    ),
    endpoints: Array.from(tables.endpoints.id, (id, i) => [
      id,
      ruleSet(tables.endpoints.ingress[i]!),
      ruleSet(tables.endpoints.egress[i]!),
      tables.endpoints.ingressPolicies[i],
      tables.endpoints.egressPolicies[i],
    ]),
    problems: problems.map(({ message }) => message).sort(),
  };
}

function fromScratch(changes: readonly ClusterChange[]): unknown {
  const compiler = new Compiler({ node: LOCAL_NODE });
  for (const change of changes) compiler.update(change);
  return meaningOf(compiler, compiler.compile());
}

/** After each change, or the first few together: whether to compile, and whether to release what is retired by then. */
const stepsArb = fc.array(fc.record({ compile: fc.boolean(), release: fc.boolean() }), {
  minLength: 13,
  maxLength: 13,
});

describe.each([
  { what: 'NetworkPolicies', scenarios: scenarioArb },
  { what: 'ClusterNetworkPolicies too', scenarios: clusterPolicyScenarioArb },
])('with $what', ({ scenarios }) => {
  test(
    'a compiler that lived through changes says what one says that sees only the last state',
    { timeout: 120_000 },
    () => {
      fc.assert(
        fc.property(scenarios, stepsArb, ({ initial, changes }, steps) => {
          const compiler = new Compiler({ node: LOCAL_NODE });
          for (const change of initial) compiler.update(change);
          for (const [i, change] of changes.entries()) {
            if (steps[i]?.compile === true) {
              const { retired } = compiler.compile();
              if (steps[i]?.release) compiler.release(retired);
            }
            compiler.update(change);
          }
          expect(meaningOf(compiler, compiler.compile())).toEqual(fromScratch([...initial, ...changes]));
        }),
        { numRuns: RUNS },
      );
    },
  );

  test('NP-4: any order of the same objects gives the same tables', { timeout: 120_000 }, () => {
    const shuffled = scenarios.chain(({ initial }) =>
      fc.record({
        sorted: fc.constant(lastOfEach(initial)),
        shuffled: fc.shuffledSubarray(lastOfEach(initial), { minLength: lastOfEach(initial).length }),
      }),
    );
    fc.assert(
      fc.property(shuffled, (orders) => {
        expect(fromScratch(orders.shuffled)).toEqual(fromScratch(orders.sorted));
      }),
      { numRuns: RUNS },
    );
  });

  test('ids keep their meaning, and bits of what survives never change', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(scenarios, stepsArb, ({ initial, changes }, steps) => {
        const compiler = new Compiler({ node: LOCAL_NODE });
        for (const change of initial) compiler.update(change);
        let before = compiler.compile();
        let meaning = meanings(compiler, before.tables);
        for (const [i, change] of changes.entries()) {
          compiler.update(change);
          if (steps[i]?.compile !== true) continue;
          const after = compiler.compile();
          expectStableBits(before.tables, after.tables);
          const next = meanings(compiler, after.tables);
          for (const [id, text] of next) expect(meaning.get(id) ?? text).toBe(text);
          expectDisjoint(after);
          const release = steps[i]?.release;
          if (release) compiler.release(after.retired);
          meaning = release ? next : new Map([...meaning, ...next]);
          before = after;
        }
      }),
      { numRuns: RUNS },
    );
  });

  test('nothing is left of what went', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(scenarios, ({ initial, changes }) => {
        const compiler = new Compiler({ node: LOCAL_NODE });
        compiler.compile();
        const empty = compiler.sizes();
        const all = [...initial, ...changes];
        for (const change of all) {
          compiler.update(change);
          compiler.compile();
        }
        for (const change of all.flatMap(undoOf)) {
          compiler.update(change);
          compiler.release(compiler.compile().retired);
        }
        expect(compiler.sizes()).toEqual(empty);
        expect(compiler.compile()).toMatchObject({ problems: [], tables: { addresses: { keys: new Uint8Array(0) } } });
      }),
      { numRuns: Math.ceil(RUNS / 3) },
    );
  });

  test('tables have the form that tables.ts describes', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(scenarios, ({ initial, changes }) => {
        const compiler = new Compiler({ node: LOCAL_NODE });
        for (const change of initial) compiler.update(change);
        expectForm(compiler.compile().tables);
        for (const change of changes) compiler.update(change);
        expectForm(compiler.compile().tables);
      }),
      { numRuns: RUNS },
    );
  });
});

function meanings(compiler: Compiler, tables: VerdictTables): Map<string, string> {
  const { ruleSets, peerClasses, portClasses } = idsOf(tables);
  return new Map([
    ...ruleSets.map((id) => [`rule set ${id}`, JSON.stringify(compiler.describeRuleSet(id))] as const),
    ...peerClasses.map((id) => [`peer class ${id}`, JSON.stringify(compiler.describePeerClass(id))] as const),
    ...portClasses.map((id) => [`port class ${id}`, JSON.stringify(compiler.describePortClass(id))] as const),
  ]);
}

/** Make before break: a row that survives may be written while the old port and address tables are in force. */
function expectStableBits(before: VerdictTables, after: VerdictTables): void {
  const old = idsOf(before);
  const now = idsOf(after);
  const oldReader = new TableReader(before);
  const newReader = new TableReader(after);
  for (const ruleSet of old.ruleSets.filter((id) => now.ruleSets.includes(id))) {
    for (const peerClass of old.peerClasses.filter((id) => now.peerClasses.includes(id))) {
      for (const portClass of old.portClasses) {
        const was = oldReader.verdict(ruleSet, peerClass, portClass);
        const is = newReader.verdict(ruleSet, peerClass, portClass);
        if (was !== is) expect({ ruleSet, peerClass, portClass, allows: is }).toEqual({ allows: was });
      }
    }
  }
}

function expectDisjoint({ tables, retired }: CompileResult): void {
  const used = idsOf(tables);
  expect(used.ruleSets.filter((id) => retired.ruleSets.includes(id))).toEqual([]);
  expect(used.peerClasses.filter((id) => retired.peerClasses.includes(id))).toEqual([]);
  expect(used.portClasses.filter((id) => retired.portClasses.includes(id))).toEqual([]);
}

function expectForm({ addresses, prefixes, ports, rows, endpoints }: VerdictTables): void {
  expectSorted(recordsOf(addresses.keys, ADDRESS_KEY_BYTES));
  expectSorted(recordsOf(prefixes.keys, PREFIX_KEY_BYTES));
  expectSorted(Array.from(endpoints.id, (id) => [id]));
  expectSorted(Array.from(rows.ruleSet, (ruleSet, i) => [ruleSet, rows.peerClass[i]!, rows.block[i]!]));
  for (let i = 0; i < ports.first.length; i++) {
    const starts = i === 0 || ports.protocol[i] !== ports.protocol[i - 1];
    expect(ports.first[i]).toBe(starts ? 0 : ports.last[i - 1]! + 1);
    if (i + 1 === ports.first.length || ports.protocol[i + 1] !== ports.protocol[i]) expect(ports.last[i]).toBe(65535);
  }
  expect(new Set(ports.protocol)).toEqual(new Set([0, 1, 2]));
  const bits = (i: number): string => rows.allow.subarray(i * ROW_BYTES, (i + 1) * ROW_BYTES).join();
  const nothing = new Uint8Array(ROW_BYTES).join();
  const defaults = new Map<string, string>();
  for (const [i, peerClass] of rows.peerClass.entries()) {
    const block = `${rows.ruleSet[i]} ${rows.block[i]}`;
    if (peerClass === PEER_CLASS_DEFAULT) defaults.set(block, bits(i));
    else expect(bits(i)).not.toBe(defaults.get(block) ?? nothing);
  }
  expect([...defaults.values()]).not.toContain(nothing);
  const known = new Set([PEER_CLASS_DEFAULT, PEER_CLASS_UNKNOWN_POD, ...addresses.classes, ...prefixes.classes]);
  expect([...rows.peerClass].filter((id) => !known.has(id))).toEqual([]);
  const live = new Set([...endpoints.ingress, ...endpoints.egress]);
  expect([...rows.ruleSet].filter((id) => !live.has(id))).toEqual([]);
}

function recordsOf(keys: Uint8Array, width: number): number[][] {
  return Array.from({ length: keys.length / width }, (_, i) => [...keys.subarray(i * width, (i + 1) * width)]);
}

function expectSorted(keys: readonly (readonly number[])[]): void {
  for (let i = 1; i < keys.length; i++) {
    const at = keys[i]!.findIndex((value, j) => value !== keys[i - 1]![j]);
    if (at < 0 || keys[i]![at]! < keys[i - 1]![at]!) expect(keys[i]).toBe(`after ${keys[i - 1]?.join()}`);
  }
}

function undoOf(change: ClusterChange): readonly ClusterChange[] {
  if (change.op === 'delete') return [];
  const { kind, object } = change;
  if (kind === 'NodeAddresses') return [{ kind, op: 'set', object: [] }];
  if (kind === 'LocalEndpoint') return [{ kind, op: 'delete', id: object.id }];
  return [{ kind, op: 'delete', key: 'namespace' in object ? `${object.namespace}/${object.name}` : object.name }];
}

/** What is left can be put in any order. */
function lastOfEach(changes: readonly ClusterChange[]): ClusterChange[] {
  return [...new Map(changes.map((change) => [subjectOf(change), change])).values()];
}

function subjectOf(change: ClusterChange): string {
  if (change.op === 'delete' || change.kind === 'NodeAddresses') return JSON.stringify(change);
  if (change.kind === 'LocalEndpoint') return `${change.kind} ${change.object.id}`;
  const { object } = change;
  return `${change.kind} ${'namespace' in object ? `${object.namespace}/` : ''}${object.name}`;
}
