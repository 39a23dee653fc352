/**
 * Which iptables flavour the node uses, found as Kubernetes' own images do: kubelet leaves a chain in the one it uses.
 * Without that mark the one with more rules counts, then the default of this machine.
 */
import type { Family } from '../../net/address.ts';
import { type CommandRunner, defaultFlavour, type Iptables } from './iptables-command.ts';

/** Chains that the kubelet makes in the mangle table: the first since 1.24, the second before. */
const MARK = /^:(KUBE-IPTABLES-HINT|KUBE-KUBELET-CANARY) /m;
const RULE = /^-A /gm;

export interface FoundFlavour {
  readonly iptables: Iptables;
  /** The others that are installed. */
  readonly others: readonly Iptables[];
  /** kubelet: its mark was found, nothing can say more. */
  readonly by: 'kubelet' | 'rules' | 'default' | 'only';
}

/** @throws CommandError when rules cannot be read in any flavour */
export async function findFlavour(
  installed: readonly Iptables[],
  families: readonly Family[],
  run: CommandRunner,
): Promise<FoundFlavour> {
  const choose = (iptables: Iptables, by: FoundFlavour['by']): FoundFlavour => ({
    iptables,
    others: installed.filter((other) => other !== iptables),
    by,
  });
  const [only, ...more] = installed;
  if (only !== undefined && more.length === 0) return choose(only, 'only');
  const texts = installed.map(async (iptables) => [iptables, await saveAll(iptables, families)] as const);
  const saved = new Map(await Promise.all(texts));
  const marked = installed.find((iptables) => MARK.test(saved.get(iptables) ?? ''));
  if (marked !== undefined) return choose(marked, 'kubelet');
  const counts = installed.map((iptables) => [iptables, saved.get(iptables)?.match(RULE)?.length ?? 0] as const);
  const [most, second] = counts.toSorted((a, b) => b[1] - a[1]);
  if (most !== undefined && second !== undefined && most[1] > second[1]) return choose(most[0], 'rules');
  const preferred = await defaultFlavour(run);
  return choose(installed.find(({ flavour }) => flavour === preferred) ?? installed[0]!, 'default');
}

/** Tables that are in use, both families: asking for a table by name would make the older flavour create it. */
async function saveAll(iptables: Iptables, families: readonly Family[]): Promise<string> {
  return (await Promise.all(families.map((family) => iptables.save(family)))).join('\n');
}
