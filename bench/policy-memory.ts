/**
 * How much kernel memory does policy take for 110 endpoints of a large cluster, beside a layout in which every endpoint has a
 * peer table of its own? The other layout's tables are loaded for one endpoint, into maps of the same kinds with 32 bytes of
 * verdicts a peer, and multiplied: what the kernel counts for an element does not depend on the table it is in.
 */
import { BpfMap } from '../src/kernel/bpf-map.ts';
import { BpfObject } from '../src/kernel/bpf-object.ts';
import type { VerdictTables } from '../src/policy/tables.ts';
import { compileBpfText } from '../test/support/bpf/compile.ts';
import { countPeers, type PeerCount } from './support/allowed-peers.ts';
import { LARGE } from './support/cluster.ts';
import { atMost, type Figure, plainFigure, ratioFigure } from './support/figure.ts';
import { mapBytes } from './support/map-memory.ts';
import type { Question, QuestionOptions } from './support/question.ts';
import { POLICY_MAPS, TableHost } from './support/table-host.ts';

const MIB = 2 ** 20;
const BATCH = 65_536;

/** A hash of the addresses and a trie of the prefixes an endpoint may talk to, with a bit a port class. */
const ONE_ENDPOINT = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/abi.h"
struct verdicts { __u8 allow[32]; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, struct address_key); __type(value, struct verdicts);
	__uint(max_entries, 1); __uint(map_flags, BPF_F_NO_PREALLOC); } peers SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __type(key, struct prefix_key); __type(value, struct verdicts);
	__uint(max_entries, 1); __uint(map_flags, BPF_F_NO_PREALLOC); } blocks SEC(".maps");
SEC("tc") int unused(struct __sk_buff *skb) { return -1; }
char LICENSE[] SEC("license") = "GPL";
`;

/** Bytes of one endpoint's tables with that many peers, as the kernel counts them once they are loaded. */
function loadOneEndpoint(object: Uint8Array, { addresses, prefixes }: PeerCount): number {
  const maps = { peers: { maxEntries: Math.max(1, addresses) }, blocks: { maxEntries: Math.max(1, prefixes) } };
  using loaded = BpfObject.load({ source: object, name: 'endpoint', maps });
  fill(loaded.map('peers'), addresses, 4);
  fill(loaded.map('blocks'), prefixes, 8);
  return mapBytes(loaded.map('peers').fd) + mapBytes(loaded.map('blocks').fd);
}

/** Distinct keys: which peers they are does not matter to memory. prefixes are all of one length. */
function fill(map: BpfMap, count: number, numberOffset: number): void {
  for (let done = 0; done < count; done += BATCH) {
    const size = Math.min(BATCH, count - done);
    const keys = new Uint8Array(size * map.keySize);
    const view = new DataView(keys.buffer);
    for (let index = 0; index < size; index++) {
      const at = index * map.keySize;
      if (numberOffset === 8) view.setUint32(at, 64, true);
      view.setUint32(at + numberOffset, done + index);
    }
    map.updateBatch(keys, new Uint8Array(size * map.valueBytes));
  }
}

function policyBytes(host: TableHost): ReadonlyMap<string, number> {
  return new Map(
    POLICY_MAPS.map((name) => {
      using map = BpfMap.openPinned(host.mapPins.get(name)!);
      return [name, mapBytes(map.fd)];
    }),
  );
}

function measure({ tell }: QuestionOptions, host: TableHost, tables: VerdictTables): readonly Figure[] {
  const endpoints = LARGE.endpoints;
  const maps = policyBytes(host);
  const ours = [...maps.values()].reduce((sum, bytes) => sum + bytes, 0);
  tell([...maps].map(([name, bytes]) => `${name} ${(bytes / MIB).toFixed(2)} MiB`).join(', '));
  const object = compileBpfText(ONE_ENDPOINT);
  const known = { addresses: tables.addresses.classes.length, prefixes: tables.prefixes.classes.length };
  const everyPeer = loadOneEndpoint(object, known) * endpoints;
  const counts = countPeers(tables);
  const allowedOnly = counts.reduce((sum, count) => sum + loadOneEndpoint(object, count), 0);
  const mean = (key: keyof PeerCount): number =>
    Math.round(counts.reduce((sum, count) => sum + count[key], 0) / counts.length);
  const against = (name: string, bytes: number, bounds: Pick<Figure, 'must' | 'aim' | 'note'>): Figure =>
    ratioFigure({ name: `against ${name}`, unit: 'MiB', ...bounds }, [ours / MIB], { name, samples: [bytes / MIB] });
  return [
    against('every peer an endpoint', everyPeer, {
      must: atMost(1 / 20),
      aim: atMost(1 / 100),
      note:
        `a table of every known peer for each endpoint: ${known.addresses} addresses and ${known.prefixes} prefixes, ` +
        `loaded for one endpoint and counted, x ${endpoints}`,
    }),
    against('named peers an endpoint', allowedOnly, {
      note:
        `a table of the peers that an endpoint's rules name, for each loaded and counted: ${mean('addresses')} addresses and ` +
        `${mean('prefixes')} prefixes on average with the narrow policies of this cluster; a rule for everybody lists nobody`,
    }),
    plainFigure({ name: 'sluice, an endpoint', unit: 'KiB' }, [ours / endpoints / 1024]),
  ];
}

export const question: Question = {
  name: 'policy-memory',
  asks: `How much kernel memory does policy take for ${LARGE.endpoints} endpoints (${LARGE.name})?`,
  run: async (options) => {
    await using host = await TableHost.open(LARGE);
    return measure(options, host, (await host.load(LARGE)).tables);
  },
};
