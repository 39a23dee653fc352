/** `sluice matrix` and `sluice diff` as a person runs them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { escapeMermaid, quoteCsv, quoteDot } from '../../../src/commands/render/escape.ts';
import { PodNames } from '../../../src/commands/render/pod-names.ts';
import { tempFolder } from '../lib/temp-folder.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SHOP = join(ROOT, 'examples/shop');

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function sluice(args: readonly string[], cwd = ROOT): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'src/main.ts'), ...args], {
    cwd,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** The shop with one policy changed. */
function changedShop(): string {
  const folder = tempFolder();
  cpSync(SHOP, folder, { recursive: true });
  const file = join(folder, 'policies.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('{ port: 9090 }', '{ port: 9091 }'));
  return folder;
}

describe('sluice matrix', () => {
  test('prints a grid of workloads where it fits', () => {
    const { status, stdout } = sluice(['matrix', '-f', SHOP]);
    expect(status).toBe(0);
    expect(stdout).toBe(
      [
        'FROM \\ TO        shop/deploy/api  shop/deploy/web  shop/sts/db  internet',
        'shop/deploy/api  nothing          TCP 8080         TCP 5432     everything',
        'shop/deploy/web  TCP 9090         TCP 8080         nothing      everything',
        'shop/sts/db      nothing          TCP 8080         everything   everything',
        'internet         nothing          TCP 8080         nothing      -',
        '',
        '4 ends, 7 pods',
        '',
      ].join('\n'),
    );
  });

  test.each([
    ['csv', 'shop/deploy/web,shop/deploy/api,TCP 9090,nothing\n'.replace(',nothing', ',')],
    ['markdown', '| shop/deploy/web | TCP 9090 | TCP 8080 | nothing | everything |'],
    ['mermaid', '|"TCP 9090"|'],
    ['dot', '[label="TCP 9090"]'],
    ['svg', 'shop/deploy/web → shop/deploy/api: TCP 9090'],
    ['html', '<td class="ports" tabindex="-1">TCP 9090</td>'],
  ])('-o %s', (form, part) => {
    expect(sluice(['matrix', '-f', SHOP, '-o', form])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(part) as string,
    });
  });

  test('-o json gives ports as intervals', () => {
    const { flows } = JSON.parse(sluice(['matrix', '-f', SHOP, '-o', 'json']).stdout) as { flows: readonly object[] };
    expect(flows).toContainEqual({
      from: 'shop/deploy/web',
      to: 'shop/deploy/api',
      text: 'TCP 9090',
      always: [{ protocol: 'TCP', first: 9090, last: 9090 }],
      partly: [],
    });
  });

  test.each([
    [['-o', 'xml'], '--output "xml": use table, json'],
    [['--by', 'node'], '--by "node": use pod, workload, namespace or cluster'],
    [['-n', 'nowhere'], 'namespace nowhere has no pods'],
  ])('%s is refused', (args, message) => {
    expect(sluice(['matrix', '-f', SHOP, ...args])).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining(message) as string,
    });
  });
});

describe('sluice matrix --by cluster', () => {
  test('counts all pairs of pods by what passes', () => {
    const { status, stdout } = sluice(['matrix', '-f', SHOP, '--by', 'cluster', '-o', 'json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      by: 'cluster',
      pods: 7,
      families: [{ family: 'IPv4', pods: 7, pairs: 42, passes: [{ text: 'TCP 8080', pairs: 18 }, {}, {}, {}, {}] }],
    });
  });

  test.each([
    [['-o', 'svg'], 'with --by cluster use table, json or markdown'],
    [['-n', 'shop'], '--by cluster counts the pods of every namespace'],
  ])('%s is refused', (args, message) => {
    const told = sluice(['matrix', '-f', SHOP, '--by', 'cluster', ...args]);
    expect(told).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(message) as string });
  });
});

describe('sluice diff', () => {
  test('ends with 0 and says so when no flow changes', () => {
    expect(sluice(['diff', SHOP, SHOP])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('No flow changes between the 7 pods') as string,
    });
  });

  test('ends with 1 and shows a flow and the policies for each change', () => {
    const { status, stdout } = sluice(['diff', SHOP, changedShop()]);
    expect(status).toBe(1);
    expect(stdout).toContain('- denied   shop/deploy/web -> shop/deploy/api on TCP 9090\n');
    expect(stdout).toContain('+ allowed  shop/deploy/web -> shop/deploy/api on TCP 9091\n');
    expect(stdout).toContain('before: allowed by shop/api ingress[0]\n');
    expect(stdout).toContain(
      'after:  denied, shop/api, shop/default-deny isolate it and no ingress rule allows this\n',
    );
  });

  test('-o markdown is a table with the reasons folded', () => {
    const { stdout } = sluice(['diff', SHOP, changedShop(), '-o', 'markdown']);
    expect(stdout).toContain('| :no_entry: denied | shop/deploy/web | shop/deploy/api | TCP 9090 |');
    expect(stdout).toContain('<details>');
  });

  test('compares with a revision of a repository, whatever its name', () => {
    const folder = changedShop();
    const git = (...args: readonly string[]): unknown =>
      execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@y', ...args], { cwd: folder, stdio: 'pipe' });
    git('init', '--quiet');
    git('add', '.');
    git('commit', '--quiet', '-m', 'one');
    writeFileSync(join(folder, 'policies.yaml'), readFileSync(join(SHOP, 'policies.yaml'), 'utf8'));
    expect(sluice(['diff', 'git:HEAD:.', '.'], folder)).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('TCP 9090') as string,
    });
    for (const [place, message] of [
      ['git:none:.', 'there is no revision "none"'],
      ['git:--output=x:.', 'there is no revision "--output=x"'],
      ['git:HEAD:nowhere', 'nowhere is not in revision HEAD'],
      ['git:HEAD', 'write git:REVISION:PATH'],
    ] as const) {
      expect(sluice(['diff', place, '.'], folder)).toMatchObject({
        status: 2,
        stdout: '',
        stderr: expect.stringContaining(message) as string,
      });
    }
  }, 30_000);

  test('refuses sides that have no pod in common', () => {
    const policies = join(SHOP, 'policies.yaml');
    expect(sluice(['diff', policies, policies])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('add them with --with') as string,
    });
    expect(sluice(['diff', policies, policies, '--with', join(SHOP, 'shop.yaml')]).status).toBe(0);
  });
});

test('hostile names stay names in every form', () => {
  expect(escapeMermaid('a"]|b')).toBe('a#34;#93;#124;b');
  expect(quoteDot('a"\\b\n')).toBe('"a\\"\\\\b\ufffd"');
  expect(quoteCsv('=1+1,"x"')).toBe('"\'=1+1,""x"""');
});

test('sets of pods are named by namespace, by workload, by name', () => {
  const names = new PodNames(
    ['a/1', 'a/2', 'b/1', 'b/2', 'b/3'],
    new Map([
      ['b/1', 'b/deploy/x'],
      ['b/2', 'b/deploy/x'],
    ]),
  );
  expect(names.of(['a/1', 'a/2', 'b/1', 'b/2'])).toEqual(['a/*', 'b/deploy/x']);
  expect(names.of(['a/1', 'b/1'])).toEqual(['a/1', 'b/1']);
});
