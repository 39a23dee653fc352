/**
 * The chains of an instance, in both flavours of iptables and both families, whoever of its parts made them: found by
 * their names in what the tools print, and removed with every rule that jumps to them, a table in one step.
 */
import { ownChain } from '../routing/firewall-rules.ts';
import { CommandError, runCommand } from '../routing/iptables-command.ts';
import { LOCK_WAIT_SECONDS } from '../routing/limits.ts';

const TOOLS = ['iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy'] as const;

export interface OwnRules {
  readonly tool: string;
  readonly table: string;
  readonly chains: readonly string[];
  /** Lines of other chains that name ours, as the tool prints them: `-A FORWARD -j SLUICE-...`. */
  readonly jumps: readonly string[];
}

/** @throws CommandError when a tool that is there cannot be run. */
export async function findOwnRules(interfacePrefix: string): Promise<readonly OwnRules[]> {
  const found: OwnRules[] = [];
  for (const tool of TOOLS) {
    const text = await save(tool);
    if (text !== undefined) found.push(...ownRulesIn(tool, text, ownChain(interfacePrefix)));
  }
  return found;
}

/** @param prefix what the names of the instance's chains begin with. */
export function ownRulesIn(tool: string, saved: string, prefix: string): readonly OwnRules[] {
  return saved
    .split(/^\*/m)
    .slice(1)
    .flatMap((section) => {
      const [table = '', ...lines] = section.split('\n');
      const chains = lines.flatMap((line) => /^:(\S+)/.exec(line)?.[1] ?? []).filter((name) => name.startsWith(prefix));
      const jumps = lines.filter((line) => {
        const [, chain = '', target = ''] = /^-A (\S+) .*-[jg] (\S+)/.exec(line) ?? [];
        return target.startsWith(prefix) && !chain.startsWith(prefix);
      });
      return chains.length + jumps.length === 0 ? [] : [{ tool, table: table.trim(), chains, jumps }];
    });
}

/** @throws CommandError; of that table nothing was changed then. */
export async function removeOwnRules({ tool, table, chains, jumps }: OwnRules): Promise<void> {
  const text = [
    `*${table}`,
    ...jumps.map((line) => line.replace(/^-A /, '-D ')),
    ...chains.map((chain) => `-F ${chain}`),
    ...chains.map((chain) => `-X ${chain}`),
    'COMMIT',
    '',
  ].join('\n');
  await runCommand(`${tool}-restore`, ['--noflush', '-w', `${LOCK_WAIT_SECONDS}`], text);
}

/** Undefined when this flavour is not installed: then nothing of this machine can have used it. */
async function save(tool: string): Promise<string | undefined> {
  try {
    return (await runCommand(`${tool}-save`, [])).stdout;
  } catch (error) {
    if (error instanceof CommandError && error.isMissing) return undefined;
    throw error;
  }
}
