/**
 * Keeps the node's iptables rules as planned, in the flavour that the node uses. The kernel tells nobody of changes to
 * them, so they are compared from time to time; nothing is written when nothing differs.
 */
import { existsSync } from 'node:fs';
import { ConfigError, errorMessage } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Family } from '../../net/address.ts';
import { interfacePrefix } from '../wiring/name.ts';
import { acceptRules, type FirewallRules, firewallRules, NO_RULES, type TableRules } from './firewall-rules.ts';
import { type CommandRunner, type Flavour, type Iptables, installedIptables } from './iptables-command.ts';
import { findFlavour, type FoundFlavour } from './iptables-flavour.ts';
import type { RoutingPlan } from './plan.ts';
import type { RoutingSettings } from './settings.ts';
import { fingerprint, isAsPlanned, readTable, restoreInput } from './table-diff.ts';

/** The tables that have rules of ours. */
export const OWN_TABLES = ['filter', 'nat'] as const;
/** There is such a file when the kernel has IPv6. */
const IPV6_FILE = '/proc/net/if_inet6';

export interface FirewallStatus {
  readonly flavour: Flavour | undefined;
  /** What made it be that one. */
  readonly by: FoundFlavour['by'] | undefined;
  /** A flavour that the node does not use, whose FORWARD policy drops all the same: pods are accepted there too. */
  readonly alsoIn: Flavour | undefined;
}

export interface FirewallParts {
  readonly instance: string;
  readonly settings: RoutingSettings;
  readonly run: CommandRunner;
  readonly log: Log;
}

export class Firewall {
  readonly #parts: FirewallParts;
  readonly #prefix: string;
  readonly #families: readonly Family[] = existsSync(IPV6_FILE) ? [4, 6] : [4];
  #installed: readonly Iptables[] | undefined;
  #found: FoundFlavour | undefined;
  #alsoIn: Flavour | undefined;
  #fullyRandom = true;
  /** Rules of the last plan. */
  #made: { plan: RoutingPlan | undefined; fullyRandom: boolean; rules: Map<Family, FirewallRules> } = {
    plan: undefined,
    fullyRandom: true,
    rules: new Map(),
  };
  /** Of a family, flavour and table: what was asked for, and how the kernel says it. */
  readonly #settled = new Map<string, { readonly planned: TableRules; readonly fingerprint: string }>();

  constructor(parts: FirewallParts) {
    this.#parts = parts;
    this.#prefix = interfacePrefix(parts.instance);
  }

  status(): FirewallStatus {
    return { flavour: this.#found?.iptables.flavour, by: this.#found?.by, alsoIn: this.#alsoIn };
  }

  /**
   * Compares and repairs, once. Returns how many tables had to be written. While it is not known what the rest should be
   * (no plan), pods are accepted where no earlier agent left rules, and what there is stays.
   * @throws ConfigError without iptables, CommandError with what it said
   */
  async ensure(plan: RoutingPlan | undefined): Promise<number> {
    const { iptables, others } = await this.#flavour();
    if (plan === undefined) return this.#ensureAccepted(iptables);
    const [own, foreign] = await Promise.all([
      Promise.all(this.#families.map((family) => this.#ensureFamily(iptables, family, plan))),
      Promise.all(this.#families.flatMap((family) => others.map((other) => this.#ensureOther(other, family)))),
    ]);
    this.#alsoIn = foreign.find(({ drops }) => drops)?.flavour;
    return [...own, ...foreign.map(({ tables }) => tables)].reduce((sum, tables) => sum + tables, 0);
  }

  async #ensureAccepted(iptables: Iptables): Promise<number> {
    const done = this.#families.map(async (family) => {
      const text = await iptables.save(family, 'filter');
      if (readTable(text, this.#prefix).chains.size > 0) return false;
      return this.#settle(iptables, family, 'filter', text, acceptRules(this.#prefix));
    });
    return (await Promise.all(done)).filter(Boolean).length;
  }

  async #flavour(): Promise<FoundFlavour> {
    const { run, log } = this.#parts;
    // Once kubelet has said which it is, it stays so; before, each look may find more.
    if (this.#found?.by === 'kubelet' || this.#found?.by === 'only') return this.#found;
    this.#installed ??= await installedIptables(run);
    const found = await findFlavour(this.#installed, this.#families, run);
    if (found.iptables !== this.#found?.iptables) {
      log.info({ flavour: found.iptables.flavour, by: found.by }, 'iptables flavour of this node');
    }
    this.#found = found;
    return found;
  }

  async #ensureFamily(iptables: Iptables, family: Family, plan: RoutingPlan): Promise<number> {
    try {
      return await this.#write(iptables, family, this.#rules(family, plan));
    } catch (error) {
      if (!this.#fullyRandom || !errorMessage(error).includes('random-fully')) throw error;
      this.#fullyRandom = false;
      this.#parts.log.warn({ err: error }, 'iptables knows no --random-fully: masqueraded flows may collide');
      return this.#write(iptables, family, this.#rules(family, plan));
    }
  }

  #rules(family: Family, plan: RoutingPlan): FirewallRules {
    if (plan !== this.#made.plan || this.#fullyRandom !== this.#made.fullyRandom) {
      this.#made = { plan, fullyRandom: this.#fullyRandom, rules: new Map() };
    }
    const rules =
      this.#made.rules.get(family) ??
      firewallRules(this.#prefix, family, plan, this.#parts.settings, this.#fullyRandom);
    this.#made.rules.set(family, rules);
    return rules;
  }

  async #write(iptables: Iptables, family: Family, rules: FirewallRules): Promise<number> {
    let written = 0;
    for (const table of OWN_TABLES) {
      const saved = await iptables.save(family, table);
      if (await this.#settle(iptables, family, table, saved, rules[table])) written += 1;
    }
    return written;
  }

  /** Its tables are asked for only as far as they are in use: the older flavour would make them. */
  async #ensureOther(
    other: Iptables,
    family: Family,
  ): Promise<{ readonly flavour: Flavour; readonly tables: number; readonly drops: boolean }> {
    const all = splitTables(await other.save(family));
    const drops = readTable(all.get('filter') ?? '', this.#prefix).policies.get('FORWARD') === 'DROP';
    let tables = 0;
    for (const table of OWN_TABLES) {
      const saved = all.get(table);
      if (saved === undefined) continue;
      const planned = table === 'filter' && drops ? acceptRules(this.#prefix) : NO_RULES;
      if (await this.#settle(other, family, table, saved, planned)) tables += 1;
    }
    return { flavour: other.flavour, tables, drops };
  }

  async #settle(
    iptables: Iptables,
    family: Family,
    table: (typeof OWN_TABLES)[number],
    text: string,
    planned: TableRules,
  ): Promise<boolean> {
    const key = `${iptables.flavour} ${family} ${table}`;
    const saved = readTable(text, this.#prefix);
    const settled = this.#settled.get(key);
    const isSettled = settled?.fingerprint === fingerprint(saved) && isSameRules(settled.planned, planned);
    if (isSettled || isAsPlanned(saved, planned)) return false;
    const input = restoreInput(table, saved, planned);
    if (input === undefined) return false;
    await iptables.restore(family, input);
    // Programs of other versions may print a rule in other words than ours: what they print now is what was meant.
    const after = readTable(await iptables.save(family, table), this.#prefix);
    this.#settled.set(key, { planned, fingerprint: fingerprint(after) });
    return true;
  }
}

/**
 * Removes every chain and rule of the instance, in all flavours that are installed; returns the names of the chains that
 * there were. Idempotent. @throws CommandError
 */
export async function removeFirewall(instance: string, run: CommandRunner): Promise<readonly string[]> {
  const prefix = interfacePrefix(instance);
  const families: readonly Family[] = existsSync(IPV6_FILE) ? [4, 6] : [4];
  const removed = new Set<string>();
  let installed: readonly Iptables[] = [];
  try {
    installed = await installedIptables(run);
  } catch (error) {
    // Without the program there can be no rule of ours: the agent would not have started.
    if (!(error instanceof ConfigError)) throw error;
  }
  for (const iptables of installed) {
    for (const family of families) {
      for (const [table, text] of splitTables(await iptables.save(family))) {
        const saved = readTable(text, prefix);
        const input = restoreInput(table, saved, NO_RULES);
        if (input === undefined) continue;
        await iptables.restore(family, input);
        for (const chain of saved.chains.keys()) removed.add(`${iptables.flavour} IPv${family} ${table} ${chain}`);
      }
    }
  }
  return [...removed];
}

/** What `iptables-save` prints of several tables, by table. */
function splitTables(saved: string): ReadonlyMap<string, string> {
  const tables = new Map<string, string>();
  for (const part of saved.split(/^(?=\*)/m)) {
    const name = /^\*(\S+)/.exec(part)?.[1];
    if (name !== undefined) tables.set(name, part);
  }
  return tables;
}

function isSameRules(a: TableRules, b: TableRules): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
