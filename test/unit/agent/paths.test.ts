import { describe, expect, test } from 'vitest';
import { instancePaths } from '../../../src/agent/paths.ts';
import { ConfigError } from '../../../src/lib/errors.ts';

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
