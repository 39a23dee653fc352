/** `sluice lint` on files: findings of the input itself, places, silence where it is asked for. */
import { describe, expect, test } from 'vitest';
import { sluice, tempFile } from './cli-runner.ts';

const policy = (spec: string, more = ''): string =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: p\n${more}spec:\n${spec}`;
const POD = 'apiVersion: v1\nkind: Pod\nmetadata: { name: web, labels: { app: web } }\n---\n';
const WELL =
  '  podSelector: { matchLabels: { app: web } }\n  policyTypes: [Ingress]\n  ingress: [{ ports: [{ port: 80 }] }]\n';

async function lint(text: string): Promise<{
  readonly ids: readonly string[];
  readonly exitCode: number | null;
  readonly findings: readonly object[];
}> {
  const { exitCode, stdout } = await sluice(['lint', '-f', '-', '-o', 'json'], text);
  const { findings } = JSON.parse(stdout) as { findings: { rule: string }[] };
  return { ids: findings.map(({ rule }) => rule), exitCode, findings };
}

test('nothing is found where nothing is wrong', async () => {
  expect(await lint(POD + policy(WELL))).toMatchObject({ ids: [], exitCode: 0 });
});

describe('the input itself', () => {
  test('SL001: text that is no YAML, with its place', async () => {
    const { exitCode, findings } = await lint('a: [1\nb: 2\n');
    expect(findings).toMatchObject([{ rule: 'SL001', severity: 'error', file: 'stdin.yaml', line: 2, column: 1 }]);
    expect(exitCode).toBe(1);
  });

  test('SL001: what the API server would reject', async () => {
    const { findings } = await lint(POD + policy(WELL.replace('port: 80', 'port: "80"')));
    expect(findings).toMatchObject([
      { rule: 'SL001', object: 'NetworkPolicy default/p', path: 'spec.ingress[0].ports[0].port' },
    ]);
  });

  test('SL002: a value that kubectl reads otherwise', async () => {
    expect((await lint(POD.replace('app: web }', 'app: web, on: yes }') + policy(WELL))).ids).toEqual(['SL002']);
  });

  test('SL003: kinds of policy that are not enforced, and old versions', async () => {
    const foreign = 'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: { name: c }\n---\n';
    const old = 'apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: { name: o }\n---\n';
    expect((await lint(foreign + old + POD + policy(WELL))).ids).toEqual(['SL003', 'SL003']);
  });

  test('SL031: rules of a direction that is not in effect', async () => {
    const { findings } = await lint(POD + policy(`${WELL}  egress: []\n`));
    expect(findings).toMatchObject([{ rule: 'SL031', path: 'spec.egress', line: 13 }]);
    expect((await lint(POD + policy(`${WELL}  egress: []\n`.replace('[Ingress]', '[Ingress, Egress]')))).ids).toEqual(
      [],
    );
  });
});

test('informations alone end with 0', async () => {
  const peer = WELL.replace('- ports', 'ports').replace(
    '[{ ports',
    '[{ from: [{ podSelector: { matchLabels: { app: none } } }], ports',
  );
  expect(await lint(POD + policy(peer))).toMatchObject({ ids: ['SL011'], exitCode: 0 });
});

test('a finding can be silenced on the policy, and is counted', async () => {
  const silent = '  annotations: { sluice/lint-ignore: "SL040, SL010" }\n';
  const named = WELL.replace('port: 80', 'port: http');
  expect(await lint(POD + policy(named))).toMatchObject({ ids: ['SL040'], exitCode: 1 });
  expect(await lint(POD + policy(named, silent))).toMatchObject({ ids: [], exitCode: 0 });
  const { stdout } = await sluice(['lint', '-f', tempFile('p.yaml', POD + policy(named, silent))]);
  expect(stdout).toBe('1 policy: no findings; 1 finding ignored by sluice/lint-ignore\n');
});

test('a finding shows its line with a caret, and what to do', async () => {
  const file = tempFile('p.yaml', POD + policy(WELL.replace('port: 80', 'port: http')));
  const { stdout } = await sluice(['lint', '-f', file]);
  expect(stdout)
    .toBe(`${file}:12:31: warning SL040 NetworkPolicy default/p spec.ingress[0].ports[0].port: no pod that the policy selects (default/web) has a TCP port named http: it matches nothing; they declare no names
      ingress: [{ ports: [{ port: http }] }]
                                  ^
    name a containerPort of those pods, or give the number

1 policy: 1 warning
`);
});
