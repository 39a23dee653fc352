/** Settings that an agent cannot start with: one message that says what to do, the exit code, and nothing made. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AgentBench, NODE_YAML, podYaml, refusalOf } from './agent-bench.ts';

const OBJECT = join(import.meta.dirname, '../../dist/bpf/sluice.bpf.o');

let bench: AgentBench;

beforeEach(() => {
  bench = new AgentBench();
  bench.apply('node.yaml', NODE_YAML);
});

afterEach(() => {
  bench[Symbol.dispose]();
});

/** Traces of an agent on the node. */
function traces(): Record<string, unknown> {
  return {
    run: existsSync(bench.path('run', bench.instance)),
    state: existsSync(bench.path('state', bench.instance)),
    pins: existsSync(bench.path('bpf', bench.instance)),
    forwarding: bench.node.exec('sysctl', '-n', 'net.ipv4.ip_forward').trim(),
    rules: bench.node.exec('iptables-save').includes('SLUICE'),
  };
}

describe('an agent does not start, and makes nothing', () => {
  test.each<[string, (path: AgentBench['path']) => string[], RegExp]>([
    [
      'without a folder of manifests',
      () => ['--source', 'manifests:/nowhere'],
      /--source: .* \/nowhere cannot be read: ENOENT/,
    ],
    ['with a file as the folder', () => ['--source', 'manifests:/etc/passwd'], /--source: \/etc\/passwd is no folder/],
    [
      'for an instance of a wrong name',
      () => ['--instance', '../x'],
      /--instance "\.\.\/x": use 1 to 32 of a-z, 0-9 and '-'/,
    ],
    ['without a pin root', () => ['--bpf-root', '/nowhere'], /mkdir -p \/nowhere && mount -t bpf bpf \/nowhere/],
    [
      'on another file system than a bpffs',
      (path) => ['--bpf-root', path('state')],
      /pin root \S+\/state is no BPF file system but \S+: mount -t bpf bpf \S+\/state/,
    ],
    [
      'without programs',
      () => ['--object', '/nowhere.o'],
      /--object \/nowhere\.o cannot be read .*use the sluice\.bpf\.o that was built with this program/,
    ],
    [
      'with a file that holds no programs',
      () => ['--object', '/etc/passwd'],
      /\/etc\/passwd holds no programs of Sluice \(not an ELF file\)/,
    ],
    [
      'when its socket would have too long a name',
      (path) => ['--run-dir', path('r'.repeat(100))],
      /the path of a socket has at most 107 bytes: use a shorter directory/,
    ],
    [
      'when its folders cannot be made',
      () => ['--state-dir', '/etc/passwd'],
      /--state-dir: the folder \S+ cannot be made: ENOTDIR/,
    ],
  ])('%s', async (name, options, message) => {
    const before = traces();
    const { exitCode, stdout, stderr } = await bench.startInVain(...options(bench.path.bind(bench)));
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    // Of its two folders one can be made.
    const run = name.includes('folders') ? { run: true } : {};
    expect(traces()).toEqual({ ...before, ...run });
  });

  test('with programs of another build', async () => {
    const bytes = readFileSync(OBJECT);
    const at = bytes.indexOf('\0RULE_SET_CLOSED\0');
    expect(at).toBeGreaterThan(0);
    bytes.write('\0RULE_SET_CLOSEX\0', at);
    writeFileSync(bench.path('other.o'), bytes);
    const before = traces();
    const { exitCode, stderr } = await bench.startInVain('--object', bench.path('other.o'));
    expect(stderr).toMatch(
      /other\.o was compiled from another bpf\/abi\.h .*: use the sluice\.bpf\.o that was built with/,
    );
    expect(exitCode).toBe(2);
    expect(traces()).toEqual(before);
  });

  test('beside another of the same instance, which goes on', async () => {
    const agent = await bench.start();
    const { exitCode, stderr } = await bench.startInVain();
    expect(stderr).toBe(
      `sluice: ${bench.path('run', bench.instance, 'agent.lock')} is locked by process ${agent.pid}: end it first\n`,
    );
    expect(exitCode).toBe(1);
    expect((await agent.status()).ready).toBe(true);
  });
});

test('an ADD without an agent is refused with where it was looked for, and a DEL is journalled', async () => {
  bench.apply('pod.yaml', podYaml('a'));
  const pod = { name: 'a', netns: bench.ledger.makeNetns('a').path };
  expect(refusalOf(await bench.cni('ADD', pod))).toEqual({
    exitCode: 1,
    code: 11,
    msg: `the Sluice agent cannot be reached at ${bench.path('run', bench.instance, 'agent.sock')}: No such file or directory`,
    details: 'is the agent running on this node, with this instance and runDir?',
  });
  expect(await bench.cni('DEL', pod)).toMatchObject({ exitCode: 0, stdout: '' });
  expect(existsSync(bench.path('state', bench.instance, 'del-journal', 'container-a:eth0'))).toBe(true);
});
