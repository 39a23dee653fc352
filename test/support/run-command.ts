/** Runs one short-lived program of the test set-up (ip, sysctl, iptables-restore) to its end. */
import { spawn } from 'node:child_process';
import type { TestNetns } from './netns.ts';

/** A set-up command that takes longer than this hangs. */
const COMMAND_TIMEOUT_MS = 30_000;

export interface CommandOptions {
  /** To run in; only the network namespace changes, mounts stay the caller's. */
  readonly netns?: TestNetns;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the program and gives back how it ended.
 * @throws Error when it cannot be started or does not end in time.
 */
export function tryCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const inside = options.netns === undefined ? [] : ['nsenter', `--net=${options.netns.path}`];
  const [program = command, ...rest] = [...inside, command, ...args];
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      env: { ...process.env, ...options.env },
      stdio: 'pipe',
      timeout: COMMAND_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (exitCode, signal) => {
      if (exitCode === null) reject(new Error(`${command} ${args.join(' ')} was ended by ${signal ?? 'nobody'}`));
      else resolve({ exitCode, stdout, stderr });
    });
    // A program that ends without reading its input is judged by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** The same, for a command that has to succeed: gives back its standard output. @throws Error with what it said. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await tryCommand(command, args, options);
  if (result.exitCode !== 0) {
    const where = options.netns === undefined ? '' : ` in ${options.netns.name}`;
    throw new Error(
      `${command} ${args.join(' ')}${where}: exit code ${result.exitCode}\n${result.stderr}${result.stdout}`,
    );
  }
  return result.stdout;
}

/** One `ip -batch` in the namespace: a line of `lines` is what would follow `ip`. */
export async function ipBatch(netns: TestNetns, lines: readonly string[]): Promise<void> {
  await runCommand('ip', ['-n', netns.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

/** Sets kernel parameters of the namespace: keys as sysctl(8) spells them. */
export async function setSysctls(netns: TestNetns, settings: Readonly<Record<string, string>>): Promise<void> {
  const words = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  await runCommand('sysctl', ['-q', '-w', ...words], { netns });
}
