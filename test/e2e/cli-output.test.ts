/** The forms of docs/output.md: what a program may count on. Unknown and missing fields fail. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { sluice, tempFile } from './cli-runner.ts';

const SHOP = ['-f', 'examples/shop'];
const ASK = ['--from', 'shop/deploy/web', '--to', 'shop/sts/db', '--port', 'sql'];

const verdict = z.enum(['allow', 'deny']);
const rule = {
  policy: z.string(),
  rule: z.string(),
  text: z.string(),
  file: z.string().nullable(),
  line: z.int().nullable(),
};
const end = z.strictObject({
  direction: z.enum(['egress', 'ingress']),
  pod: z.string(),
  verdict,
  reason: z.enum(['not-isolated', 'rule', 'no-rule', 'cluster-rule', 'unknown-pod']),
  policies: z.array(z.string()),
  invalidPolicies: z.array(z.string()),
  allowedBy: z.array(z.strictObject(rule)),
  nearMiss: z.strictObject({ ...rule, failures: z.array(z.string()) }).nullable(),
  clusterRule: z
    .strictObject({ ...rule, tier: z.enum(['Admin', 'Baseline']), action: z.enum(['Accept', 'Deny', 'Pass']) })
    .nullable(),
});
const explanation = z.strictObject({
  from: z.string(),
  to: z.string(),
  port: z.string(),
  verdict: z.enum(['allow', 'deny', 'mixed']),
  parts: z.array(
    z.strictObject({
      verdict,
      reason: z.enum(['policy', 'own-node', 'self', 'no-subject']),
      pairs: z.int(),
      sources: z.array(z.string()),
      destinations: z.array(z.string()),
      example: z.strictObject({ source: z.string(), destination: z.string(), protocol: z.string(), port: z.int() }),
      egress: end.nullable(),
      ingress: end.nullable(),
      notes: z.array(z.string()),
    }),
  ),
  notes: z.array(z.string()),
});
const open = z.strictObject({
  from: z.string(),
  to: z.string(),
  open: z.array(
    z.strictObject({
      ports: z.array(z.string()),
      pairs: z.int(),
      sources: z.array(z.string()),
      destinations: z.array(z.string()),
    }),
  ),
  notes: z.array(z.string()),
});
const node = {
  node: z.string(),
  fits: z.boolean(),
  problems: z.array(z.string()),
  cost: z.strictObject({
    ruleSets: z.int(),
    maps: z.array(z.strictObject({ map: z.string(), elements: z.int(), limit: z.int(), bytes: z.int() })),
    bytes: z.int(),
  }),
};
const summary = z.strictObject({ nodes: z.array(z.strictObject(node)), notes: z.array(z.string()) });
const tables = z.strictObject({
  endpoints: z.array(
    z.strictObject({
      id: z.int(),
      pod: z.string(),
      ingress: z.int(),
      egress: z.int(),
      ingressPolicies: z.array(z.string()),
      egressPolicies: z.array(z.string()),
    }),
  ),
  ruleSets: z.array(
    z.strictObject({
      id: z.int(),
      kind: z.enum(['open', 'closed', 'rules']),
      rules: z.array(z.strictObject({ peer: z.string(), ports: z.array(z.string()) })),
    }),
  ),
  peerClasses: z.array(
    z.strictObject({ id: z.int(), kind: z.string(), terms: z.array(z.string()), namedPorts: z.string() }),
  ),
  ports: z.array(z.strictObject({ ports: z.string(), portClass: z.int() })),
  addresses: z.array(z.strictObject({ address: z.string(), peerClass: z.int().nullable(), ownNode: z.boolean() })),
  prefixes: z.array(z.strictObject({ prefix: z.string(), peerClass: z.int() })),
  rows: z.array(z.strictObject({ ruleSet: z.int(), peerClass: z.int(), portClasses: z.array(z.int()) })),
});
const nodeTables = z.strictObject({
  ...node,
  policies: z.array(z.strictObject({ policy: z.string(), rows: z.int(), prefixes: z.int(), bytes: z.int() })),
  tables,
  notes: z.array(z.string()),
});
const findings = z.strictObject({
  findings: z.array(
    z.strictObject({
      rule: z.string().regex(/^SL\d{3}$/),
      name: z.string(),
      severity: z.enum(['error', 'warning', 'info']),
      object: z.string(),
      path: z.string(),
      message: z.string(),
      hint: z.string(),
      file: z.string().nullable(),
      line: z.int().nullable(),
      column: z.int().nullable(),
    }),
  ),
  ignored: z.int(),
});
const tests = z.strictObject({
  tests: z.array(
    z.strictObject({
      file: z.string(),
      name: z.string(),
      error: z.string(),
      results: z.array(
        z.strictObject({
          from: z.string(),
          to: z.string(),
          port: z.string(),
          expected: verdict,
          actual: z.enum(['allow', 'deny', 'mixed']).nullable(),
          passed: z.boolean(),
          because: z.string(),
          line: z.int().nullable(),
          explanation: z.string(),
        }),
      ),
    }),
  ),
});
const replay = z.strictObject({
  flows: z.array(
    z.strictObject({
      change: z.enum(['newly-denied', 'newly-allowed', 'still-denied']),
      source: z.string(),
      destination: z.string(),
      protocol: z.string(),
      port: z.int(),
      times: z.int(),
      reason: z.string(),
    }),
  ),
  summary: z.strictObject({
    flows: z.int(),
    newlyDenied: z.int(),
    newlyAllowed: z.int(),
    stillDenied: z.int(),
    stillAllowed: z.int(),
    skipped: z.int(),
    faulty: z.int(),
  }),
});

const FORMS: Readonly<Record<string, { readonly schema: z.ZodType; readonly args: () => readonly string[] }>> = {
  'sluice explain': { schema: explanation, args: () => ['explain', ...SHOP, ...ASK] },
  'sluice explain, without --port': {
    schema: open,
    args: () => ['explain', ...SHOP, '--from', 'shop/*', '--to', 'shop/sts/db'],
  },
  'sluice compile': { schema: summary, args: () => ['compile', ...SHOP] },
  'sluice compile --node': { schema: nodeTables, args: () => ['compile', ...SHOP, '--node', ''] },
  'sluice lint': { schema: findings, args: () => ['lint', '-f', 'examples/recipes'] },
  'sluice test': { schema: tests, args: () => ['test', 'examples/shop'] },
  'sluice replay': {
    schema: replay,
    args: () => [
      'replay',
      tempFile('flows.jsonl', '{"sourcePod":"shop/web-1","destinationPod":"shop/db-0","destinationPort":5432}\n'),
      ...SHOP,
    ],
  },
};

test.each(Object.entries(FORMS))(
  '%s -o json is of the documented form, and -o yaml the same',
  async (_, { schema, args }) => {
    const words = args();
    const [json, yaml] = await Promise.all([sluice([...words, '-o', 'json']), sluice([...words, '-o', 'yaml'])]);
    expect(json.stderr).toBe('');
    const value: unknown = JSON.parse(json.stdout);
    expect(schema.safeParse(value).error?.issues).toBeUndefined();
    expect(parse(yaml.stdout)).toEqual(value);
  },
);

test('every form is documented, field by field', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/output.md'), 'utf8');
  for (const [command, { schema }] of Object.entries(FORMS)) {
    expect(text).toContain(`## ${command}`);
    for (const name of fieldNames(schema)) expect(text, `${command} ${name}`).toContain(`\`${name}\``);
  }
});

function fieldNames(schema: z.ZodType): ReadonlySet<string> {
  const names = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      if (key === 'properties' && typeof child === 'object' && child !== null)
        for (const name of Object.keys(child)) names.add(name);
      walk(child);
    }
  };
  walk(z.toJSONSchema(schema));
  return names;
}

test('lint -o sarif is SARIF 2.1.0 with a place for every finding', async () => {
  const file = tempFile(
    'p.yaml',
    'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: p }\nspec:\n  egress:\n    - to: [{ ipBlock: { cidr: 192.0.2.0/24 } }]\n      ports: [{ port: 443 }]\n',
  );
  const { exitCode, stdout } = await sluice(['lint', '-f', file, '-o', 'sarif']);
  const region = z.object({ startLine: z.int().min(1), startColumn: z.int().min(1) });
  const location = z.object({
    physicalLocation: z.object({ artifactLocation: z.object({ uri: z.string() }), region }),
  });
  const result = z.object({
    ruleId: z.string(),
    ruleIndex: z.int(),
    level: z.enum(['error', 'warning', 'note']),
    message: z.object({ text: z.string() }),
    locations: z.array(location).length(1),
  });
  const driver = z.object({
    name: z.literal('sluice'),
    rules: z.array(z.object({ id: z.string(), shortDescription: z.object({ text: z.string() }) })),
  });
  const log = z.object({
    version: z.literal('2.1.0'),
    runs: z.array(z.object({ tool: z.object({ driver }), results: z.array(result) })).length(1),
  });
  const read = log.parse(JSON.parse(stdout));
  const [run] = read.runs;
  expect(run?.results.map(({ ruleId }) => ruleId)).toEqual(['SL030', 'SL060']);
  for (const { ruleId, ruleIndex } of run?.results ?? []) expect(run?.tool.driver.rules[ruleIndex]?.id).toBe(ruleId);
  expect(exitCode).toBe(1);
});
