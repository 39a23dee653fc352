/** The command line as a person meets it: what each mistake is answered with, and the exit codes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CniCode, CniError } from '../../../src/cni/error.ts';
import type { LocalStream } from '../../../src/agent/local-exchange.ts';
import { tempFolder } from '../lib/temp-folder.ts';
import { WELL } from './sample-status.ts';
import { INSTANCE, makeStubAgent } from './stub-agent.ts';

const ROOT = join(import.meta.dirname, '../../..');

interface Outcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(ROOT, 'src/main.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const [stdout, stderr, [exitCode]] = await Promise.all([
    child.stdout === null ? '' : text(child.stdout),
    child.stderr === null ? '' : text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { exitCode, stdout, stderr };
}

const sluice = (...args: readonly string[]): Promise<Outcome> => outcomeOf(start(...args));

describe('a mistake on the command line ends with 2', () => {
  test.each([
    ['statsu', "error: unknown command 'statsu'\n(Did you mean status?)"],
    ['status --instace x', "error: unknown option '--instace'\n(Did you mean --instance?)"],
    ['agent --sorce manifests:/etc', "error: unknown option '--sorce'\n(Did you mean --source?)"],
    ['agent --node n1', 'sluice: --source is missing: use kubernetes, kubernetes:in-cluster or kubernetes:FILE'],
    ['status -o yaml', 'sluice: --output "yaml": use table or json'],
    ['drops -o yaml', 'sluice: --output "yaml": use text or json'],
    ['sync --instance Node_A', 'sluice: --instance "Node_A": use 1 to 32 of a-z, 0-9 and \'-\''],
    [
      'agent --source manifests:/etc --node n1 --log-level loud',
      'sluice: --log-level "loud": use trace, debug, info, warn, error, fatal, silent',
    ],
  ])('sluice %s', async (command, message) => {
    const { exitCode, stdout, stderr } = await sluice(...command.split(' '));
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  });
});

test.each(['--help', 'agent --help', 'status --help', 'drops --help', 'sync --help'])(
  'sluice %s explains itself and ends with 0',
  async (command) => {
    const { exitCode, stdout, stderr } = await sluice(...command.split(' '));
    expect(stdout).toMatch(/^Usage: sluice /);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  },
);

describe('without an agent', () => {
  test.each(['status', 'drops', 'sync'])('sluice %s says where it looked and ends with 1', async (command) => {
    const runDir = tempFolder();
    expect(await sluice(command, '--run-dir', runDir)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        `sluice: no agent listens on ${runDir}/default/agent.sock: is it running, ` +
        'and are --instance and --run-dir its own?\n',
    });
  });

  test('of that instance, those that there are get named', async () => {
    const { runDir, server } = makeStubAgent();
    await server.listen();
    const { stderr } = await sluice('status', '--run-dir', runDir);
    expect(stderr).toContain(`its own?; below ${runDir} there are the instances ${INSTANCE}\n`);
  });
});

describe('sluice status', () => {
  test('ends with 0 when all is well and with 1 when something is not in force', async () => {
    let status = WELL;
    const { runDir, server } = makeStubAgent();
    server.route('GET', '/v1/status', async ({ answer }) =>
      answer({ status: 200, contentType: 'application/json', body: JSON.stringify(status) }),
    );
    await server.listen();
    const well = await sluice('status', '--instance', INSTANCE, '--run-dir', runDir);
    expect(well).toMatchObject({ exitCode: 0, stderr: '' });
    expect(well.stdout).toMatch(/^instance default on node n1: well\n/);
    status = { ...WELL, tables: { ...WELL.tables, failure: 'no room' } };
    const unwell = await sluice('status', '--instance', INSTANCE, '--run-dir', runDir, '-o', 'json');
    expect(unwell.exitCode).toBe(1);
    expect(JSON.parse(unwell.stdout)).toEqual(status);
  });
});

describe('sluice sync', () => {
  test('says what is in force, or why it is not', async () => {
    const { runDir, server } = makeStubAgent();
    let isRefused = false;
    server.route('POST', '/v1/sync', async ({ answer }) => {
      if (isRefused) throw new CniError(CniCode.tryAgain, 'the desired state is not in force', 'x/big needs 9 of rows');
      answer({ status: 200, contentType: 'application/json', body: JSON.stringify(WELL) });
    });
    await server.listen();
    const options = ['sync', '--instance', INSTANCE, '--run-dir', runDir];
    expect(await sluice(...options)).toEqual({ exitCode: 0, stdout: 'in force: generation 3\n', stderr: '' });
    isRefused = true;
    expect(await sluice(...options)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'sluice: the desired state is not in force: x/big needs 9 of rows\n',
    });
  });
});

describe('sluice drops', () => {
  const drop = { time: '2026-01-02T03:04:05.678Z', message: 'x/a -> x/b 80/TCP dropped', suppressed: 0 };

  async function follow(
    ...more: string[]
  ): Promise<{ child: ChildProcess; stream: LocalStream; close: () => Promise<void> }> {
    const { runDir, server } = makeStubAgent();
    const begun = Promise.withResolvers<LocalStream>();
    server.route('GET', '/v1/drops', async ({ stream }) => begun.resolve(stream('application/x-ndjson')));
    await server.listen();
    const child = start('drops', '--instance', INSTANCE, '--run-dir', runDir, ...more);
    return { child, stream: await begun.promise, close: () => server.close() };
  }

  test('prints a line for each as it comes and ends with 0 when the agent stops', async () => {
    const { child, stream, close } = await follow();
    stream.write(`${JSON.stringify(drop)}\n${JSON.stringify({ ...drop, suppressed: 2 })}\n`);
    const outcome = outcomeOf(child);
    await close();
    expect(await outcome).toEqual({
      exitCode: 0,
      stdout: `${drop.time} ${drop.message}\n${drop.time} ${drop.message} (and 2 like it before)\n`,
      stderr: '',
    });
  });

  test('prints what a program reads with -o json', async () => {
    const { child, stream, close } = await follow('-o', 'json');
    stream.write(`${JSON.stringify(drop)}\n`);
    const outcome = outcomeOf(child);
    await close();
    expect((await outcome).stdout).toBe(`${JSON.stringify(drop)}\n`);
  });

  test('says that the connection broke, and ends with 1, when the agent is killed', async () => {
    const { runDir, server } = makeStubAgent();
    server.route('GET', '/v1/drops', async ({ stream }) => {
      stream('application/x-ndjson');
      await delay(50);
      throw new Error('the stub breaks the connection');
    });
    await server.listen();
    const { exitCode, stderr } = await sluice('drops', '--instance', INSTANCE, '--run-dir', runDir);
    expect(stderr).toMatch(/^sluice: the connection to the agent broke: .*\n$/);
    expect(exitCode).toBe(1);
  });

  test('ends with 0 when nobody reads any more', async () => {
    const { child, stream } = await follow();
    child.stdout?.destroy();
    const timer = setInterval(() => stream.write(`${JSON.stringify(drop)}\n`), 10);
    const stderr = child.stderr === null ? '' : text(child.stderr);
    const [exitCode] = (await once(child, 'exit')) as [number | null];
    clearInterval(timer);
    expect({ exitCode, stderr: await stderr }).toEqual({ exitCode: 0, stderr: '' });
  });
});
