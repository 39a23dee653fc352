/**
 * The same policies in iptables and ipset, as enforcers of that kind write them: replies pass first; one rule an isolated app
 * leads to the app's chain; there one rule a policy, with the allowed peers in an ipset hash:ip; the rest is dropped.
 */
import { runCommand } from '../../test/support/run-command.ts';
import type { TestNetns } from '../../test/support/netns.ts';
import { type AppPolicy, SERVER_APP } from './policies.ts';

export interface MeasuredEnds {
  readonly client: string;
  readonly server: string;
}

/** Loads sets and rules into the (still empty) tables of the namespace that forwards. */
export async function loadFilterRules(
  netns: TestNetns,
  policies: readonly AppPolicy[],
  ends: MeasuredEnds,
): Promise<void> {
  await runCommand('ipset', ['restore'], { netns, input: sets(policies, ends) });
  await runCommand('iptables-restore', [], { netns, input: rules(policies) });
}

function sets(policies: readonly AppPolicy[], { client, server }: MeasuredEnds): string {
  const lines: string[] = [];
  for (const app of appsOf(policies)) {
    lines.push(`create app-${app} hash:ip`);
    if (app === SERVER_APP) lines.push(`add app-${app} ${server}`);
  }
  for (const { name, clients, admits } of policies) {
    lines.push(`create ${name} hash:ip`);
    for (const address of admits ? [...clients, client] : clients) lines.push(`add ${name} ${address}`);
  }
  return `${lines.join('\n')}\n`;
}

function rules(policies: readonly AppPolicy[]): string {
  const apps = appsOf(policies);
  const lines = [
    '*filter',
    ':FORWARD ACCEPT [0:0]',
    ...apps.map((app) => `:APP-${app} - [0:0]`),
    '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ...apps.map((app) => `-A FORWARD -m set --match-set app-${app} dst -j APP-${app}`),
    ...policies.map(
      ({ name, app, firstPort, lastPort }) =>
        `-A APP-${app} -p tcp -m tcp --dport ${firstPort}:${lastPort} -m set --match-set ${name} src -j ACCEPT`,
    ),
    ...apps.map((app) => `-A APP-${app} -j DROP`),
    'COMMIT',
    '',
  ];
  return lines.join('\n');
}

function appsOf(policies: readonly AppPolicy[]): readonly number[] {
  return [...new Set(policies.map(({ app }) => app))];
}
