/**
 * Whatever is in a file: an error with its place or a finding, never a crash, and never an object that silently is not
 * there.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadCluster } from '../../../src/cluster/manifests/load-cluster.ts';
import { isPolicyTest, readPolicyTest } from '../../../src/commands/support/policy-test.ts';
import { parseManifest } from '../../../src/cluster/manifests/parse-manifest.ts';
import { ConfigError } from '../../../src/lib/errors.ts';
import { judgeFlow } from '../../../src/policy/answer.ts';
import { DryRun } from '../../../src/policy/dry-run.ts';
import { lintPolicies } from '../../../src/policy/lint.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 300);

/** Loads, compiles, lints and asks. @throws ConfigError at most. */
async function exercise(text: string): Promise<{ readonly problems: number; readonly objects: number }> {
  const cluster = await loadCluster([], [{ name: 'in.yaml', text }]);
  const dryRun = new DryRun(cluster.changes);
  lintPolicies({
    dryRun,
    raw: ({ namespace, name }) => cluster.sources.get(`NetworkPolicy ${namespace}/${name}`)?.fields,
    isMadeUp: () => false,
    services: [],
  });
  const addresses = [...dryRun.knownAddresses()].slice(0, 4);
  for (const source of addresses)
    for (const destination of addresses) judgeFlow(dryRun, { source, destination, protocol: 'TCP', port: 80 });
  return { problems: cluster.problems.length + cluster.notes.length, objects: cluster.changes.length };
}

const junkArb = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, '', {}, [], -1, 'x'.repeat(300), '__proto__', Number.MAX_SAFE_INTEGER),
);
const pathArb = fc.array(fc.nat(20), { minLength: 1, maxLength: 8 });

const GOOD = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a', labels: { team: 'x' } } },
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n' },
      spec: { podCIDRs: ['10.1.0.0/24'] },
      status: { addresses: [{ type: 'InternalIP', address: '192.168.0.1' }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'a', labels: { app: 'p' } },
      spec: { nodeName: 'n', containers: [{ ports: [{ name: 'http', containerPort: 80 }] }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd', namespace: 'a' },
      spec: { replicas: 2, template: { metadata: { labels: { app: 'd' } }, spec: { containers: [] } } },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'np', namespace: 'a' },
      spec: {
        podSelector: {},
        ingress: [
          {
            from: [
              { podSelector: { matchLabels: { app: 'd' } } },
              { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
            ],
            ports: [{ port: 'http' }, { port: 80, endPort: 90 }],
          },
        ],
      },
    },
  ],
};

/** The value with what is at the path replaced; the path's numbers choose among what there is. */
function replaceAt(value: unknown, path: readonly number[], junk: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined || typeof value !== 'object' || value === null) return junk;
  const keys = Object.keys(value);
  if (keys.length === 0) return junk;
  const key = keys[first % keys.length] ?? '';
  const child: unknown = (value as Record<string, unknown>)[key];
  const changed = replaceAt(child, rest, junk);
  return Array.isArray(value)
    ? value.map((item: unknown, i) => (String(i) === key ? changed : item))
    : { ...value, [key]: changed };
}

test('objects with anything anywhere are read, reported or refused', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(pathArb, junkArb, async (path, junk) => {
      const outcome = await exercise(stringify(replaceAt(GOOD, path, junk))).catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(ConfigError);
    }),
    { numRuns: RUNS },
  );
});

test('any text is read, reported or refused', { timeout: 60_000 }, async () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '---\n',
      'kind: Pod\n',
      'apiVersion: v1\n',
      '- ',
      '&a ',
      '*a',
      '{',
      '}',
      '[',
      ': ',
      '\n  ',
      '!!binary ',
      '<<: ',
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
      await exercise(pieces.join(''));
    }),
    { numRuns: RUNS },
  );
});

test('a policy test with anything anywhere is read or reported', () => {
  const good = {
    apiVersion: 'sluice/v1',
    kind: 'PolicyTest',
    metadata: { name: 't' },
    files: ['a.yaml'],
    expect: [{ from: 'a', to: ['b'], port: 80, verdict: 'deny', because: 'x' }],
  };
  fc.assert(
    fc.property(pathArb, junkArb, (path, junk) => {
      const { objects } = parseManifest('t.yaml', stringify(replaceAt(good, path, junk)));
      for (const raw of objects.filter(isPolicyTest)) {
        const { expectations, problems } = readPolicyTest('t.yaml', raw);
        expect(expectations.length + problems.length).toBeGreaterThan(0);
      }
    }),
    { numRuns: RUNS },
  );
});

describe('each of these is told', () => {
  test.each([
    ['text that is no YAML', 'a: [1\nb: 2\n'],
    ['an alias to itself', 'a: &x [*x]\n'],
    ['labels that contain themselves', 'apiVersion: v1\nkind: Pod\nmetadata: &m\n  name: a\n  labels: *m\n'],
    [
      'aliases that multiply',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
        .split('')
        .map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdefg'[i]}`).join(',')}]`)
        .join('\n')}\n`,
    ],
    ['an object without a kind', 'apiVersion: v1\nmetadata: { name: a }\n'],
    ['a kind that is not read', 'apiVersion: v1\nkind: Secret\nmetadata: { name: a }\n'],
    [
      'an object that is there twice',
      'apiVersion: v1\nkind: Pod\nmetadata: { name: a }\n---\napiVersion: v1\nkind: Pod\nmetadata: { name: a }\n',
    ],
    ['an object without a name', 'apiVersion: v1\nkind: Pod\nmetadata: {}\n'],
    ['a workload without a name', 'apiVersion: apps/v1\nkind: Deployment\nspec: {}\n'],
    ['a workload of another version', 'apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: { name: a }\n'],
    ['a key that is there twice', 'apiVersion: v1\nkind: Pod\nkind: Pod\nmetadata: { name: a }\n'],
    [
      'a workload that is there twice',
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec: { template: {} }\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec: { template: {} }\n',
    ],
  ])('%s', async (_, text) => {
    expect((await exercise(text)).problems).toBeGreaterThan(0);
  });
});
