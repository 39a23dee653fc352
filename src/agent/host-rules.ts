/**
 * The accept rules a node needs for traffic that takes its stack: a FORWARD policy of DROP (docker sets one) would drop
 * what our programs have already judged. They stand at the end of FORWARD, in a chain of this instance's own: whatever
 * an administrator denies before stays denied, only the policy of the chain is answered.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ConfigError, errorMessage } from '../lib/errors.ts';

const run = promisify(execFile);
const COMMAND_TIMEOUT_MS = 10_000;
/** iptables-legacy and the nft flavour both wait for their lock this long. */
const LOCK_WAIT_SECONDS = '5';
/** 1: there is no such rule or chain; 2: the rule names a chain that is not there. Others: it could not be found out. */
const ABSENT_EXIT_CODES: ReadonlySet<unknown> = new Set([1, 2]);

const FAMILIES = ['iptables', 'ip6tables'] as const;
type Tool = (typeof FAMILIES)[number];

/** Chain of the instance whose interfaces begin with that prefix; at most 28 characters. */
export function forwardChain(interfacePrefix: string): string {
  return `SLUICE-${interfacePrefix}`;
}

/** Input of `iptables-restore --noflush`: makes the chain, or empties it, and fills it. The same for both families. */
export function forwardRules(interfacePrefix: string): string {
  const chain = forwardChain(interfacePrefix);
  return [
    '*filter',
    `:${chain} - [0:0]`,
    `-A ${chain} -i ${interfacePrefix}+ -j ACCEPT`,
    `-A ${chain} -o ${interfacePrefix}+ -j ACCEPT`,
    'COMMIT',
    '',
  ].join('\n');
}

/** Makes the rules be there, once. @throws ConfigError without iptables, Error that names the command and what it said. */
export async function ensureForwardRules(interfacePrefix: string): Promise<void> {
  const chain = forwardChain(interfacePrefix);
  for (const tool of FAMILIES) {
    await restore(tool, forwardRules(interfacePrefix));
    if (!(await succeeds(tool, ['-C', 'FORWARD', '-j', chain]))) await command(tool, ['-A', 'FORWARD', '-j', chain]);
  }
}

/** Removes them; what is not there is fine. */
export async function removeForwardRules(interfacePrefix: string): Promise<void> {
  const chain = forwardChain(interfacePrefix);
  for (const tool of FAMILIES) {
    // Each call removes one: somebody may have restored a saved set of rules over ours.
    while (await succeeds(tool, ['-D', 'FORWARD', '-j', chain]));
    if (await succeeds(tool, ['-F', chain])) await command(tool, ['-X', chain]);
  }
}

async function succeeds(tool: Tool, args: readonly string[]): Promise<boolean> {
  try {
    await run(tool, ['-w', LOCK_WAIT_SECONDS, ...args], { timeout: COMMAND_TIMEOUT_MS });
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw commandError(tool, args, error);
  }
}

async function command(tool: Tool, args: readonly string[]): Promise<void> {
  try {
    await run(tool, ['-w', LOCK_WAIT_SECONDS, ...args], { timeout: COMMAND_TIMEOUT_MS });
  } catch (error) {
    throw commandError(tool, args, error);
  }
}

async function restore(tool: Tool, text: string): Promise<void> {
  const args = ['-w', LOCK_WAIT_SECONDS, '--noflush'];
  const child = run(`${tool}-restore`, args, { timeout: COMMAND_TIMEOUT_MS });
  child.child.stdin?.end(text);
  try {
    await child;
  } catch (error) {
    throw commandError(`${tool}-restore`, args, error);
  }
}

/** The command ran and said no, as opposed to: it could not be run, or did not get its lock. */
function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ABSENT_EXIT_CODES.has(error.code);
}

function commandError(tool: string, args: readonly string[], error: unknown): Error {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
    return new ConfigError(`${tool} is not installed; it is in Debian's package iptables`);
  }
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : errorMessage(error);
  return new Error(`${tool} ${args.join(' ')}: ${said}`);
}
