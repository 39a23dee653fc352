/** Sequences of small worlds, each with the endpoints attached meanwhile. */
import * as fc from 'fast-check';
import type { FlowQuery, FlowVerdict } from '../../../src/datapath/datapath.ts';
import { MemoryDatapath } from '../../../src/datapath/memory/datapath.ts';
import { MemoryStore } from '../../../src/datapath/memory/store.ts';
import type { VerdictTables } from '../../../src/policy/tables.ts';
import { wire } from './contract.ts';
import { ANY_PEER, type PortTerm, type Rules, type World } from './table-world.ts';

/** Addresses of the endpoints that come and go, by id. */
export const LOCAL: Readonly<Record<number, readonly string[]>> = {
  1: ['10.0.0.1', 'fd00::1'],
  2: ['10.0.0.2'],
  3: ['10.1.0.3'],
};
const ADDRESSES = [
  '10.0.0.1',
  '10.0.0.2',
  '10.1.0.3',
  '10.0.0.4',
  '10.1.0.5',
  '192.0.2.6',
  '192.0.2.200',
  'fd00::1',
  'fd00::8',
];
const PREFIXES = [
  '0.0.0.0/0',
  '10.0.0.0/8',
  '10.0.0.0/15',
  '10.0.0.0/16',
  '10.1.0.0/16',
  '192.0.2.0/24',
  '192.0.2.128/25',
  'fd00::/64',
];
const PORT_TERMS: readonly PortTerm[] = [
  { protocol: 0, first: 80, last: 80 },
  { protocol: 0, first: 1, last: 1023 },
  { protocol: 0, first: 0, last: 65535 },
  { protocol: 1, first: 53, last: 53 },
];
const PROBES: readonly [number, number][] = [
  [6, 80],
  [6, 443],
  [17, 53],
  [1, 0],
];
/** Every pair of addresses, probed on a few ports. */
export const FLOWS: readonly FlowQuery[] = ADDRESSES.flatMap((source) =>
  ADDRESSES.filter((destination) => destination.includes(':') === source.includes(':')).flatMap((destination) =>
    PROBES.map(([protocol, destinationPort]) => ({ source, destination, protocol, destinationPort })),
  ),
);

export interface Step {
  readonly attached: readonly number[];
  readonly world: World;
  /** Which write of the step fails; beyond the last: none. */
  readonly failAfter: number;
}

type Side = Rules | 'open';

/** A world in the making. Rules name terms of PORT_TERMS; the world has those that are used, and the extra ones. */
interface Draft {
  readonly addresses: ReadonlyMap<string, number | 'own'>;
  readonly prefixes: ReadonlyMap<string, number | 'unknown'>;
  readonly extraTerms: ReadonlySet<number>;
  readonly endpoints: ReadonlyMap<number, { readonly ingress: Side; readonly egress: Side }>;
  readonly attached: ReadonlySet<number>;
}

type Edit = (draft: Draft) => Draft;

const EMPTY: Draft = {
  addresses: new Map(),
  prefixes: new Map(),
  extraTerms: new Set(),
  endpoints: new Map(),
  attached: new Set(),
};

const side: fc.Arbitrary<Side> = fc.oneof(
  fc.constant<'open'>('open'),
  fc.array(fc.tuple(fc.constantFrom(ANY_PEER, 0, 1, 2), fc.nat(PORT_TERMS.length - 1)), { maxLength: 3 }),
);
const localIds: fc.Arbitrary<number> = fc.constantFrom(...Object.keys(LOCAL).map(Number));
const locals: ReadonlySet<string> = new Set(Object.values(LOCAL).flat());

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc
    .tuple(fc.constantFrom(...ADDRESSES), fc.option(fc.oneof(fc.nat(7), fc.constant<'own'>('own'))))
    .filter(([text, value]) => value !== 'own' || !locals.has(text))
    .map(([text, value]): Edit => (draft) => ({ ...draft, addresses: withEntry(draft.addresses, text, value) })),
  fc
    .tuple(fc.constantFrom(...PREFIXES), fc.option(fc.oneof(fc.nat(7), fc.constant<'unknown'>('unknown'))))
    .map(([text, value]): Edit => (draft) => ({ ...draft, prefixes: withEntry(draft.prefixes, text, value) })),
  fc
    .nat(PORT_TERMS.length - 1)
    .map((term): Edit => (draft) => ({ ...draft, extraTerms: toggled(draft.extraTerms, term) })),
  fc
    .tuple(localIds, fc.option(fc.record({ ingress: side, egress: side }), { freq: 8 }))
    .map(([id, value]): Edit => (draft) => ({ ...draft, endpoints: withEntry(draft.endpoints, id, value) })),
  localIds.map((id): Edit => (draft) => ({ ...draft, attached: toggled(draft.attached, id) })),
);

/** A first world of many edits, then steps of few: most of what is in force survives each. */
export const steps: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.array(edit, { minLength: 8, maxLength: 24 }),
    fc.array(fc.tuple(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.nat(30)), { minLength: 1, maxLength: 6 }),
  )
  .map(([first, others]) => {
    let draft = EMPTY;
    return [[first, Number.MAX_SAFE_INTEGER] as const, ...others].map(([edits, failAfter]) => {
      for (const apply of edits) draft = apply(draft);
      return { attached: [...draft.attached], world: worldOf(draft), failAfter };
    });
  });

function worldOf(draft: Draft): World {
  const used = new Set(draft.extraTerms);
  for (const { ingress, egress } of draft.endpoints.values()) {
    for (const rules of [ingress, egress]) if (rules !== 'open') for (const [, term] of rules) used.add(term);
  }
  const terms = [...used].sort((a, b) => a - b);
  const renumbered = (rules: Side): Side =>
    rules === 'open' ? rules : rules.map(([peer, term]) => [peer, terms.indexOf(term)] as const);
  return {
    addresses: Object.fromEntries(draft.addresses),
    prefixes: Object.fromEntries(draft.prefixes),
    portTerms: terms.map((term) => PORT_TERMS[term]!),
    endpoints: Object.fromEntries(
      [...draft.endpoints].map(([id, sides]) => [
        id,
        { ingress: renumbered(sides.ingress), egress: renumbered(sides.egress) },
      ]),
    ),
  };
}

function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V | null): ReadonlyMap<K, V> {
  const next = new Map(map);
  if (value === null) next.delete(key);
  else next.set(key, value);
  return next;
}

function toggled(set: ReadonlySet<number>, item: number): ReadonlySet<number> {
  const next = new Set(set);
  if (!next.delete(item)) next.add(item);
  return next;
}

/** What a packet of the flow meets: both ends together. */
export function passes({ egress, ingress }: FlowVerdict): boolean {
  return egress !== 'deny' && ingress !== 'deny';
}

/**
 * Flows whose verdict the commit decides: an address's flags are not versioned, so flows to one whose flags change have
 * their new verdict some writes earlier.
 */
export function versionedFlows(before: World | undefined, after: World): FlowQuery[] {
  return FLOWS.filter(({ destination }) => {
    const wasOwn = before?.addresses[destination] === 'own';
    return wasOwn === (after.addresses[destination] === 'own');
  });
}

/** A store of these tables and endpoints alone. */
export async function fromScratch(attached: readonly number[], tables: VerdictTables): Promise<MemoryStore> {
  const store = new MemoryStore();
  await using datapath = await MemoryDatapath.open({ store });
  for (const id of attached) await datapath.attachEndpoint(wire(id, 100 + id, LOCAL[id]!));
  await datapath.apply(tables);
  return store;
}
