import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { newerThan, readRequirements, type Requirement } from '../../../tools/object-requirements.ts';
import { compileBpfFile, compileBpfText } from '../../support/bpf/compile.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** The oldest kernel that Sluice is for (docs/kernels.md). */
const OLDEST = '5.15';

let product: readonly Requirement[];

beforeAll(() => {
  product = readRequirements(compileBpfFile(join(ROOT, 'bpf/sluice.bpf.c')));
});

/** Features of a program with this body. */
function featuresOf(body: string, flags = ''): readonly Requirement[] {
  return readRequirements(
    compileBpfText(`
      #include <linux/bpf.h>
      #include <bpf/bpf_helpers.h>
      ${flags}
      SEC("tc") int program(struct __sk_buff *skb) { ${body} }
      char LICENSE[] SEC("license") = "Dual BSD/GPL";
    `),
  );
}

test('the programs use nothing that is newer than the oldest supported kernel', () => {
  expect(newerThan(product, OLDEST)).toEqual([]);
});

test('docs/kernels.md names all that they use, with its release', () => {
  const document = readFileSync(join(ROOT, 'docs/kernels.md'), 'utf8');
  for (const { feature, since } of product) expect(document).toContain(`| ${feature} | ${since} |`);
});

test('helpers, map types, flags and instructions are found, those of functions too', () => {
  const features = product.map(({ feature }) => feature);
  expect(features).toEqual(
    expect.arrayContaining([
      'helper map_lookup_elem',
      'helper redirect_peer',
      'helper skb_load_bytes',
      'map type ring buffer',
      'map flag MMAPABLE',
      'instruction: 32-bit jump',
    ]),
  );
});

test('a helper that is not listed counts as newer than everything, and is named by its number', () => {
  const features = featuresOf('return bpf_loop(8, (void *)0, (void *)0, 0);');
  expect(newerThan(features, OLDEST)).toEqual([{ feature: 'helper number 181', since: undefined }]);
});

test('a map type that is not listed is named by its number', () => {
  const bloom = `struct { __uint(type, BPF_MAP_TYPE_BLOOM_FILTER); __type(value, __u32); __uint(max_entries, 8); }
    seen SEC(".maps");`;
  expect(newerThan(featuresOf('return 0;', bloom), OLDEST)).toEqual([
    { feature: 'map type number 30', since: undefined },
  ]);
});

test('an atomic operation whose result is used needs 5.12', () => {
  const features = featuresOf('return __sync_fetch_and_add(&total, 1);', 'static __u64 total;');
  expect(newerThan(features, '5.11')).toEqual([
    { feature: 'instruction: atomic operation other than addition', since: '5.12' },
  ]);
});

test('releases are compared as numbers', () => {
  const one = { feature: 'x', since: '5.8' };
  expect(newerThan([one], '5.10')).toEqual([]);
  expect(newerThan([one], '4.19')).toEqual([one]);
});
