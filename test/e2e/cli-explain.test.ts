/** `sluice explain`, `compile`, `replay` and `test` as a person meets them. */
import { describe, expect, test } from 'vitest';
import { sluice, tempFile } from './cli-runner.ts';

const SHOP = ['-f', 'examples/shop'];
const recipe = (name: string): readonly string[] => [
  '-f',
  'examples/recipes/pods.yaml',
  '-f',
  `examples/recipes/${name}/policy.yaml`,
];
const ask = (from: string, to: string, port: string): readonly string[] => ['--from', from, '--to', to, '--port', port];

describe('explain', () => {
  test('a denial names the policies, the rule that came closest with its line, and the term that failed', async () => {
    const { exitCode, stdout } = await sluice(['explain', ...SHOP, ...ask('shop/deploy/web', 'shop/sts/db', 'sql')]);
    expect(stdout).toBe(`shop/deploy/web -> shop/sts/db on TCP sql: denied
  egress  allowed: no policy isolates shop/web-1 (and 2 more) for egress
  ingress denied: shop/db, shop/default-deny isolate shop/db-0 (and 1 more) and no rule allows this
          the rule that came closest:
          shop/db ingress[0] (examples/shop/policies.yaml:34)
            from pods tier=api in namespace shop, on TCP sql
            x label tier is web, not api
`);
    expect(exitCode).toBe(1);
  });

  test('an allowed flow names the rule that allows', async () => {
    const { exitCode, stdout } = await sluice(['explain', ...SHOP, ...ask('shop/api-1', 'shop/db-0', '5432')]);
    expect(stdout).toContain('shop/db ingress[0] (examples/shop/policies.yaml:34)');
    expect(exitCode).toBe(0);
  });

  test('a range is answered in parts', async () => {
    const { exitCode, stdout } = await sluice([
      'explain',
      ...recipe('allow-block-with-except'),
      ...ask('172.16.0.0/15', 'db', '6379'),
    ]);
    expect(stdout).toContain('172.16.0.0/15 -> db on TCP 6379: mixed');
    expect(stdout).toContain('denied: 172.17.1.0/24 -> default/db');
    expect(stdout).toContain('x address 172.17.1.0 is excepted: it is in 172.17.1.0/24');
    expect(stdout).toContain('allowed: 172.17.0.0/24, 172.17.2.0 - 172.17.255.255 -> default/db');
    expect(exitCode).toBe(1);
  });

  test('without a port it says which are open', async () => {
    const { exitCode, stdout } = await sluice(['explain', ...SHOP, '--from', 'shop/*', '--to', 'shop/sts/db']);
    expect(stdout).toContain('shop/web-1, shop/web-2, shop/web-3  shop/db-0, shop/db-1  nothing');
    expect(stdout).toContain('shop/api-1, shop/api-2              shop/db-0, shop/db-1  TCP 5432');
    expect(stdout).toContain('shop/db-0, shop/db-1                shop/db-1, shop/db-0  everything');
    expect(exitCode).toBe(1);
  });

  test('manifests come from standard input as well, YAML or JSON', async () => {
    const pod = (name: string): object => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name } });
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [pod('a'), pod('b')] });
    const { exitCode, stdout } = await sluice(['explain', '-f', '-', ...ask('a', 'b', '80')], list);
    expect(stdout).toContain('a -> b on TCP 80: allowed');
    expect(exitCode).toBe(0);
  });

  test('an invalid policy is explained as what it does, and the input is said to be wrong', async () => {
    const file = tempFile(
      'p.yaml',
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: p }\nspec: { podSelectors: {} }\n---\napiVersion: v1\nkind: Pod\nmetadata: { name: a }\n',
    );
    const { exitCode, stdout, stderr } = await sluice(['explain', '-f', file, ...ask('a', 'internet', '80')]);
    expect(stderr).toContain('did you mean "podSelector"?');
    expect(stdout).toContain('default/p (invalid: it isolates and allows nothing)');
    expect(exitCode).toBe(2);
  });
});

describe('compile', () => {
  test('the tables of a node, every number with its meaning, and what they cost', async () => {
    const { exitCode, stdout } = await sluice(['compile', ...SHOP, '--node', '']);
    expect(stdout).toContain('3 shop/db-0: ingress 3 (shop/db, shop/default-deny), egress 1');
    expect(stdout).toMatch(/peer classes\n {2}3: pods tier=web in namespace shop|peer classes\n {2}3: pods tier=/);
    expect(stdout).not.toContain(': ?');
    expect(stdout).toMatch(/^rows +4 +524288 +304$/m);
    expect(exitCode).toBe(0);
  });

  test('what would not fit is refused', async () => {
    const ports = Array.from({ length: 1_000 }, (_, i) => `{ port: ${2 * i + 1} }`).join(', ');
    const pod = (i: number): string => `---\napiVersion: v1\nkind: Pod\nmetadata: { name: p${i} }\n`;
    const pods = Array.from({ length: 4_097 }, (_, i) => pod(i)).join('');
    const policy = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: p }\nspec: { podSelector: {}, ingress: [{ ports: [${ports}] }] }\n`;
    const { exitCode, stderr, stdout } = await sluice(['compile', '-f', '-'], `${policy}${pods}`);
    expect(stderr).toContain('4097 pods are endpoints of this node, LIMIT_ENDPOINTS, 4096, fit');
    expect(stdout).toMatch(/\(no node\).*NO/);
    expect(exitCode).toBe(2);
  });
});

describe('replay', () => {
  const flow = (fields: object): string => `${JSON.stringify({ protocol: 'TCP', destinationPort: 5432, ...fields })}\n`;

  test('flows that the candidate denies, and why', async () => {
    const flows = [
      flow({ sourcePod: 'shop/web-1', destinationPod: 'shop/db-0' }),
      flow({ sourcePod: 'shop/web-1', destinationPod: 'shop/db-0' }),
      flow({ sourcePod: 'shop/api-1', destinationPod: 'shop/db-0', verdict: 'deny', reason: 'policy' }),
      flow({ source: '192.0.2.1', destinationPod: 'shop/web-1', destinationPort: 8080 }),
      flow({ sourcePod: 'shop/web-1', destinationPod: 'shop/db-0', verdict: 'deny', reason: 'malformed' }),
    ];
    const { exitCode, stdout } = await sluice(['replay', '-', ...SHOP, '-o', 'json'], flows.join(''));
    const { flows: told, summary } = JSON.parse(stdout) as { flows: object[]; summary: object };
    expect(told).toMatchObject([
      { change: 'newly-denied', source: 'shop/web-1', destination: 'shop/db-0', times: 2 },
      { change: 'newly-allowed', source: 'shop/api-1', destination: 'shop/db-0', times: 1 },
    ]);
    expect(summary).toEqual({
      flows: 4,
      newlyDenied: 2,
      newlyAllowed: 1,
      stillDenied: 0,
      stillAllowed: 1,
      skipped: 1,
      faulty: 0,
    });
    expect(exitCode).toBe(1);
  });

  test('a line that cannot be read is told with its number', async () => {
    const { exitCode, stderr } = await sluice(['replay', '-', ...SHOP], `${flow({ source: 'here' })}not json\n`);
    expect(stderr).toContain('standard input:1: source must be an IP address');
    expect(stderr).toContain('standard input:2: is no JSON');
    expect(exitCode).toBe(2);
  });
});

describe('test', () => {
  const objects =
    'apiVersion: v1\nkind: Pod\nmetadata: { name: a }\n---\napiVersion: v1\nkind: Pod\nmetadata: { name: b }\n';
  const policyTest = (expect: string): string =>
    `${objects}---\napiVersion: sluice/v1\nkind: PolicyTest\nmetadata: { name: t }\nexpect:\n${expect}`;

  test('an expectation that is not met ends with 1 and says why', async () => {
    const file = tempFile(
      't.yaml',
      policyTest('  - { from: a, to: b, port: 80, verdict: deny, because: we said so }\n'),
    );
    const { exitCode, stdout } = await sluice(['test', file]);
    expect(stdout).toContain(`${file}:13: expected a -> b on 80: deny\n       because we said so`);
    expect(stdout).toContain('ingress allowed: no policy isolates default/b for ingress');
    expect(exitCode).toBe(1);
  });

  test('an expectation about a pod that is not there ends with 2', async () => {
    const file = tempFile('t.yaml', policyTest('  - { from: a, to: c, port: 80, verdict: allow }\n'));
    const { exitCode, stdout } = await sluice(['test', file]);
    expect(stdout).toContain('there is no pod "c" in the input; there is default/a, default/b');
    expect(exitCode).toBe(2);
  });

  test('a test that is written wrongly ends with 2 and shows where', async () => {
    const file = tempFile('t.yaml', policyTest('  - { from: a, to: b, ports: 80, allow: true }\n'));
    const { exitCode, stdout } = await sluice(['test', file]);
    expect(stdout).toContain('did you mean "port"?');
    expect(stdout).toContain('write verdict: allow');
    expect(exitCode).toBe(2);
  });

  test('JUnit for build servers, whatever is in the texts', async () => {
    const file = tempFile(
      't.yaml',
      policyTest(
        '  - { from: a, to: b, port: 80, verdict: allow }\n  - { from: "<&\\u0007\\">", to: b, port: 80, verdict: deny }\n',
      ),
    );
    const { exitCode, stdout } = await sluice(['test', file, '-o', 'junit']);
    expect(stdout).toContain('<testsuites name="sluice test" tests="2" failures="0" errors="1">');
    expect(stdout).toContain('name="&lt;&amp;?&quot;&gt; -&gt; b on 80: deny"');
    expect(exitCode).toBe(2);
  });
});
