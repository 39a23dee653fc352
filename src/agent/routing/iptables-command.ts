/** Runs the iptables programs of either flavour. The lock that they wait for is /run/xtables.lock of the node. */
import { execFile } from 'node:child_process';
import { ConfigError, errorMessage } from '../../lib/errors.ts';
import type { Family } from '../../net/address.ts';
import { COMMAND_OUTPUT_BYTES_MAX, COMMAND_TIMEOUT_MS, LOCK_WAIT_SECONDS } from './limits.ts';

/** Which of the kernel's two rule sets the programs write: nf_tables or the older ip_tables. */
export type Flavour = 'nft' | 'legacy';
export const FLAVOURS: readonly Flavour[] = ['nft', 'legacy'];
export type TableName = 'filter' | 'nat' | 'mangle';

export interface CommandResult {
  readonly stdout: string;
}

/** Runs a program to its end, with that text as its input. @throws CommandError */
export type CommandRunner = (program: string, args: readonly string[], input?: string) => Promise<CommandResult>;

/** A program said no, or could not be run. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  /** The program is not there. */
  readonly isMissing: boolean;

  constructor(message: string, isMissing: boolean, cause: unknown) {
    super(message, { cause });
    this.isMissing = isMissing;
  }
}

export const runCommand: CommandRunner = async (program, args, input) => {
  const done = Promise.withResolvers<CommandResult>();
  const options = { timeout: COMMAND_TIMEOUT_MS, maxBuffer: COMMAND_OUTPUT_BYTES_MAX };
  const child = execFile(program, args, options, (error, stdout, stderr) => {
    if (error === null) {
      done.resolve({ stdout });
      return;
    }
    const isMissing = 'code' in error && error.code === 'ENOENT';
    const said = stderr.trim() || errorMessage(error);
    done.reject(new CommandError(`${program} ${args.join(' ')}: ${said}`, isMissing, error));
  });
  // One that ends without reading its input is judged by its exit code.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input ?? '');
  return done.promise;
};

/** The programs of one flavour, as they are called on this machine. */
export interface IptablesPrograms {
  readonly flavour: Flavour;
  /** `iptables-nft`, or `iptables` where only one flavour is installed; without the `6` of IPv6. */
  readonly suffix: '-nft' | '-legacy' | '';
}

export class Iptables {
  readonly #run: CommandRunner;
  readonly programs: IptablesPrograms;

  constructor(run: CommandRunner, programs: IptablesPrograms) {
    this.#run = run;
    this.programs = programs;
  }

  get flavour(): Flavour {
    return this.programs.flavour;
  }

  /** What `iptables-save` prints of a table; of all tables that are in use without a name. @throws CommandError */
  async save(family: Family, table?: TableName): Promise<string> {
    const args = table === undefined ? [] : ['-t', table];
    return (await this.#run(this.#program(family, '-save'), args)).stdout;
  }

  /** All of the text takes effect, or nothing of it. Chains that it does not name stay. @throws CommandError */
  async restore(family: Family, text: string): Promise<void> {
    await this.#run(this.#program(family, '-restore'), ['-w', `${LOCK_WAIT_SECONDS}`, '--noflush'], text);
  }

  #program(family: Family, work: '-save' | '-restore'): string {
    return `${family === 4 ? 'iptables' : 'ip6tables'}${this.programs.suffix}${work}`;
  }
}

/**
 * The flavours that are installed. @throws ConfigError when there is none
 */
export async function installedIptables(run: CommandRunner): Promise<readonly Iptables[]> {
  const looked = FLAVOURS.map(async (flavour) => {
    const suffix = flavour === 'nft' ? '-nft' : '-legacy';
    const version = await versionOf(run, `iptables${suffix}`);
    return version === undefined ? [] : [new Iptables(run, { flavour, suffix })];
  });
  const found = (await Promise.all(looked)).flat();
  if (found.length > 0) return found;
  const version = await versionOf(run, 'iptables');
  if (version === undefined) throw new ConfigError("iptables is not installed; it is in Debian's package iptables");
  return [new Iptables(run, { flavour: flavourIn(version), suffix: '' })];
}

/** Which flavour `iptables` without a suffix is; undefined when there is no such program. */
export async function defaultFlavour(run: CommandRunner): Promise<Flavour | undefined> {
  const version = await versionOf(run, 'iptables');
  return version === undefined ? undefined : flavourIn(version);
}

async function versionOf(run: CommandRunner, program: string): Promise<string | undefined> {
  try {
    return (await run(program, ['-V'])).stdout;
  } catch (error) {
    if (error instanceof CommandError && error.isMissing) return undefined;
    throw error;
  }
}

/** `iptables v1.8.9 (nf_tables)`; before 1.8 there was only the other one, and no word in brackets. */
function flavourIn(version: string): Flavour {
  return version.includes('nf_tables') ? 'nft' : 'legacy';
}
