import { describe, expect, test } from 'vitest';
import { type RawAgentOptions, readAgentOptions } from '../../../src/agent/options.ts';
import { instancePaths } from '../../../src/agent/paths.ts';
import { ConfigError } from '../../../src/lib/errors.ts';

const RAW: RawAgentOptions = {
  instance: 'default',
  node: 'n1',
  source: 'manifests:/etc/sluice',
  runDir: '/run/sluice',
  stateDir: '/var/lib/sluice',
  bpfRoot: '/sys/fs/bpf',
  object: 'sluice.bpf.o',
  attach: 'auto',
  mtu: '1500',
  flowTable: 'auto',
  flowTimeouts: '',
  podWait: '10',
};

describe('settings', () => {
  test('that are right are read, paths from where the command was given', () => {
    expect(readAgentOptions({ ...RAW, podWait: '0' }, 2 ** 30)).toMatchObject({
      instance: 'default',
      node: 'n1',
      manifests: '/etc/sluice',
      runDir: '/run/sluice',
      stateDir: '/var/lib/sluice',
      bpfRoot: '/sys/fs/bpf',
      object: `${process.cwd()}/sluice.bpf.o`,
      attach: 'auto',
      mtu: 1500,
      podWaitMs: 0,
      flows: { liveFlows: 16_384, newFlows: 4096, endpointFlows: 2048 },
    });
  });

  test.each<[Partial<Record<keyof RawAgentOptions, string | undefined>>, string]>([
    [{ source: undefined }, '--source is missing: use manifests:DIR, a folder of Kubernetes YAML'],
    [{ source: '/etc/sluice' }, '--source "/etc/sluice": use manifests:DIR, a folder of Kubernetes YAML'],
    [{ source: 'manifests:' }, '--source "manifests:": use manifests:DIR, a folder of Kubernetes YAML'],
    [{ node: undefined }, '--node is missing: use the name of this node among the Node objects'],
    [{ node: '' }, '--node is missing: use the name of this node among the Node objects'],
    [{ attach: 'xdp' }, '--attach "xdp": use auto, tcx, clsact'],
    [{ mtu: '1279' }, '--mtu "1279": use a whole number from 1280 to 65535'],
    [{ mtu: '65536' }, '--mtu "65536": use a whole number from 1280 to 65535'],
    [{ mtu: '1e4' }, '--mtu "1e4": use a whole number from 1280 to 65535'],
    [{ podWait: '' }, '--pod-wait "": use a whole number from 0 to 60'],
    [{ podWait: '61' }, '--pod-wait "61": use a whole number from 0 to 60'],
    [{ podWait: '-1' }, '--pod-wait "-1": use a whole number from 0 to 60'],
    [{ podWait: '1.5' }, '--pod-wait "1.5": use a whole number from 0 to 60'],
  ])('%j are refused with what would be right', (wrong, message) => {
    expect(() => readAgentOptions({ ...RAW, ...wrong } as RawAgentOptions)).toThrow(new ConfigError(message));
  });
});

describe('the paths of an instance', () => {
  const roots = { runDir: '/run/sluice', stateDir: '/var/lib/sluice', bpfRoot: '/sys/fs/bpf' };

  test('lie below the roots, in a folder of its name', () => {
    expect(instancePaths('node-a', roots)).toEqual({
      runDir: '/run/sluice/node-a',
      stateDir: '/var/lib/sluice/node-a',
      pinRoot: '/sys/fs/bpf',
      socket: '/run/sluice/node-a/agent.sock',
      lock: '/run/sluice/node-a/agent.lock',
      endpoints: '/run/sluice/node-a/endpoints',
      deleteJournal: '/var/lib/sluice/node-a/del-journal',
    });
  });

  test.each(['a', '7', 'a-b', 'x'.repeat(32)])('%j is a name', (name) => {
    expect(instancePaths(name, roots).runDir).toBe(`/run/sluice/${name}`);
  });

  test.each(['', '-a', 'a-', 'A', 'a.b', 'a/b', '..', 'a b', 'ä', 'x'.repeat(33)])('%j is no name', (name) => {
    expect(() => instancePaths(name, roots)).toThrow(
      new ConfigError(
        `--instance ${JSON.stringify(name)}: use 1 to 32 of a-z, 0-9 and '-', not at either end, for example node-a`,
      ),
    );
  });

  test('leave room for the address of the socket, which has at most 107 bytes', () => {
    const rest = '/a/agent.sock'.length;
    const longest = `/${'r'.repeat(107 - rest - 1)}`;
    expect(instancePaths('a', { ...roots, runDir: longest }).socket.length).toBe(107);
    expect(() => instancePaths('a', { ...roots, runDir: `${longest}r` })).toThrow('use a shorter directory');
  });
});
