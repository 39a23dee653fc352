import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { toAgentOptions } from '../../../../src/agent/options.ts';
import {
  originText,
  type Settled,
  type SettingSources,
  settleSettings,
} from '../../../../src/agent/settings/settle.ts';
import { ConfigError } from '../../../../src/lib/errors.ts';

const NEEDED = { source: 'manifests:desired', node: 'n1' };

function settle(options: Record<string, unknown>, more: Partial<SettingSources> = {}): Promise<Settled> {
  return settleSettings({
    options,
    environment: {},
    file: undefined,
    workingDirectory: '/work',
    installation: { object: '/opt/sluice.bpf.o' },
    ...more,
  });
}

/** Runs with a file of that text. */
async function settleFile(text: string, options: Record<string, unknown> = NEEDED, name = 'c.yaml'): Promise<Settled> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'settings-'));
  const file = join(folder.path, name);
  await writeFile(file, text);
  try {
    return await settle(options, { file });
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError(error.message.replaceAll(folder.path, '')) : error;
  }
}

function originOf({ list }: Settled, name: string): string {
  const found = list.find((setting) => setting.name === name);
  return found === undefined ? 'nowhere' : originText(found.origin);
}

describe('settings', () => {
  test('have defaults, but for the source and the node', async () => {
    const { settings } = await settle(NEEDED);
    expect(settings).toMatchObject({
      source: { kind: 'manifests', folder: '/work/desired' },
      node: 'n1',
      instance: 'default',
      object: '/opt/sluice.bpf.o',
      attach: 'auto',
      flowTable: 'auto',
      serviceCIDRs: [],
    });
    await expect(settle({})).rejects.toThrow(/^--source is missing: use kubernetes.*\n--node is missing: use the name/);
  });

  test('come from the command line, then the environment, then the file, then the default', async () => {
    const file = 'node: of-the-file\npodWaitSeconds: 3\n';
    await using folder = await mkdtempDisposable(join(tmpdir(), 'settings-'));
    const path = join(folder.path, 'c.yaml');
    await writeFile(path, file);
    const environment = { NODE_NAME: 'of-the-environment' };
    const source = 'kubernetes';
    const all = await settle({ source, node: 'of-the-option', podWait: '4' }, { environment, file: path });
    expect(all.settings).toMatchObject({ node: 'of-the-option', podWaitSeconds: 4 });
    const two = await settle({ source }, { environment, file: path });
    expect(two.settings).toMatchObject({ node: 'of-the-environment', podWaitSeconds: 3 });
    expect(['source', 'node', 'podWaitSeconds', 'runDir'].map((name) => originOf(two, name))).toEqual([
      '--source',
      'NODE_NAME',
      `${path}:2`,
      'default',
    ]);
    const one = await settle({ source }, { environment: { NODE_NAME: '' }, file: path });
    expect(one.settings.node).toBe('of-the-file');
  });

  test.each([
    ['kubernetes', { kind: 'kubernetes', config: { kind: 'default' } }],
    ['kubernetes:in-cluster', { kind: 'kubernetes', config: { kind: 'in-cluster' } }],
    ['kubernetes:admin.conf', { kind: 'kubernetes', config: { kind: 'file', path: '/work/admin.conf' } }],
    ['manifests:/etc/sluice', { kind: 'manifests', folder: '/etc/sluice' }],
  ])('the source may be %s', async (source, choice) => {
    expect((await settle({ ...NEEDED, source })).settings.source).toEqual(choice);
  });

  test.each<[Record<string, unknown>, string]>([
    [{ source: '/etc/sluice' }, '--source "/etc/sluice": use kubernetes, kubernetes:in-cluster or kubernetes:FILE'],
    [{ source: 'manifests:' }, '--source "manifests:": use '],
    [{ node: '' }, '--node "": use the name of a Node object'],
    [{ instance: 'a/b' }, '--instance "a/b": use 1 to 32 of a-z'],
    [{ attach: 'xdp' }, '--attach "xdp": use auto, tcx, clsact'],
    [{ mtu: '1279' }, '--mtu 1279: use '],
    [{ mtu: '1e4' }, '--mtu "1e4": use '],
    [{ podWait: '' }, '--pod-wait "": use a whole number from 0 to 60'],
    [{ podWait: '61' }, '--pod-wait 61: use a whole number from 0 to 60'],
    [{ podWait: '1.5' }, '--pod-wait "1.5": use'],
    [{ flowTable: '12' }, '--flow-table 12: use auto, or a whole number'],
    [{ flowTable: 'many' }, '--flow-table "many": use auto'],
    [{ flowTimeouts: 'udp=3' }, '--flow-timeouts unknown name "udp": use 1 to 604800 seconds for tcp-opening'],
    [{ flowTimeouts: 'tcp=0' }, '--flow-timeouts tcp: 0: use 1 to 604800 seconds'],
    [{ flowTimeouts: 'tcp' }, '--flow-timeouts tcp: "": use 1 to'],
    [{ serviceCidr: ['10.96.0.0/16', 'all'] }, '--service-cidr 1: "all": use ranges like'],
    [{ logLevel: 'loud' }, '--log-level "loud": use trace, debug'],
  ])('%j are refused with what would be right', async (wrong, message) => {
    await expect(settle({ ...NEEDED, ...wrong })).rejects.toThrow(message);
  });

  test('of the flow tables become sizes and constants', async () => {
    const { settings } = await settle({ ...NEEDED, flowTimeouts: 'tcp=7200' });
    expect(toAgentOptions(settings, 2 ** 30)).toMatchObject({
      flows: { liveFlows: 16_384, newFlows: 4096, constants: { tcp_live_timeout_ns: 7_200_000_000_000n } },
    });
  });
});

describe('a file of settings', () => {
  test('is YAML or JSON, and its paths begin at its folder', async () => {
    const yaml = await settleFile(
      'source: manifests:desired\nflowTimeoutSeconds: { tcp: 60 }\nserviceCIDRs:\n- 10.0.0.0/8\n',
      {
        node: 'n1',
      },
    );
    expect(yaml.settings.source).toMatchObject({ folder: expect.stringMatching(/settings-\w+\/desired$/) });
    expect(yaml.settings).toMatchObject({ flowTimeoutSeconds: { tcp: 60 }, serviceCIDRs: [{ family: 4, length: 8 }] });
    const json = await settleFile('{"mtu": 1400}', NEEDED, 'c.json');
    expect(json.settings.mtu).toBe(1400);
  });

  test('may be empty', async () => {
    expect((await settleFile('# nothing yet\n')).settings.node).toBe('n1');
  });

  test('tells every wrong value with its line, and what would be right', async () => {
    const text = 'mtu: wide\n\nflowTimeoutSeconds:\n  tcp: 0\n  udp: 3\n';
    await expect(settleFile(text)).rejects.toThrow(
      new RegExp(
        [
          '^/c.yaml:1:6: mtu: "wide": use a whole .*',
          '    mtu: wide',
          '         \\^',
          '/c.yaml:4:8: flowTimeoutSeconds: tcp: 0: use 1 to .*',
          '      tcp: 0',
          '           \\^',
          '/c.yaml:5:8: flowTimeoutSeconds: unknown name "udp": use 1 to .*',
        ].join('\n'),
      ),
    );
  });

  test('a value of the command line hides a wrong one of the file', async () => {
    expect((await settleFile('mtu: wide\n', { ...NEEDED, mtu: '1400' })).settings.mtu).toBe(1400);
  });

  test.each([
    ['serviceCidr: []\n', '/c.yaml:1:1: unknown key "serviceCidr": did you mean serviceCIDRs?'],
    ['colour: red\n', '/c.yaml:1:9: unknown key "colour": known here: source, node,'],
    ['mtu:\n', '/c.yaml:1:5: mtu: null: use'],
    ['mtu: 1400\nmtu: 1500\n', '/c.yaml:2:1: Map keys must be unique'],
    ['mtu: [\n', '/c.yaml:'],
    ['- mtu\n', '/c.yaml:1:1: use an object of settings'],
    ['mtu: 1\n---\nmtu: 2\n', '/c.yaml:2:1: use one document a file'],
  ])('%j is refused', async (text, message) => {
    await expect(settleFile(text)).rejects.toThrow(message);
  });

  test('that is not there, or too large, is refused', async () => {
    await expect(settle(NEEDED, { file: '/nowhere/c.yaml' })).rejects.toThrow(
      '--config: the file /nowhere/c.yaml cannot be read: ENOENT',
    );
    await expect(settleFile(`# ${'x'.repeat(1_048_576)}`)).rejects.toThrow('FILE_BYTES_MAX is 1048576');
  });
});
