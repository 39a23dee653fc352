/** `sluice status`: what the agent does now, for a person or as JSON. Exit code 1 when something is not in force. */
import { styleText } from 'node:util';
import type { AgentStatus, EndpointStatus } from '../agent/status.ts';
import { formatProblem, type ObjectProblem } from '../cluster/source.ts';
import { ConfigError } from '../lib/errors.ts';
import { type InstanceOptions, readStatus } from './local-agent.ts';
import { iptablesLine, nodeRows, routingLine } from './render/routing-text.ts';

export interface StatusOptions extends InstanceOptions {
  readonly output: string;
}

export async function runStatus(options: StatusOptions): Promise<void> {
  if (options.output !== 'table' && options.output !== 'json') {
    throw new ConfigError(`--output ${JSON.stringify(options.output)}: use table or json`);
  }
  const status = await readStatus(options);
  console.log(options.output === 'json' ? JSON.stringify(status, undefined, 2) : formatStatus(status));
  if (!isWell(status)) process.exitCode = 1;
}

/** Ready, and everything asked for is in force. */
export function isWell(status: AgentStatus): boolean {
  return (
    status.ready &&
    status.tables.failure === '' &&
    status.services.failure === '' &&
    status.source.fault === '' &&
    status.objectProblems.every(({ severity }) => severity !== 'error')
  );
}

export function formatStatus(status: AgentStatus): string {
  const { tables, source } = status;
  const state = isWell(status) ? styleText('green', 'well') : styleText('red', 'needs attention');
  const lines = [
    `instance ${status.instance} on node ${status.node}: ${state}`,
    `  in force     generation ${tables.generation}${outstanding(tables)}`,
    `  source       ${sourceText(source)}`,
    `  podCIDRs     ${rangesText(status)}`,
    `  tables       ${fillText(status)}`,
    `  routing      ${routingLine(status.routing)}`,
    `  iptables     ${iptablesLine(status.routing)}`,
    `  programs     attached by ${status.attach}`,
    `  flows        ${flowsText(status)}`,
    `  services     ${status.services.frontends} frontends, ${status.services.backends} backends`,
  ];
  if (tables.failure !== '') lines.push(`  ${styleText('red', 'not in force')} ${tables.failure}`);
  if (status.services.failure !== '') lines.push(`  ${styleText('red', 'not in force')} ${status.services.failure}`);
  lines.push('', ...section('endpoints', endpointRows(status)));
  const nodes = nodeRows(status.routing);
  if (nodes.length > 0) lines.push('', ...section('pods of other nodes', nodes));
  const problems = [
    ...status.objectProblems.map((problem) => [formatProblem(problem) + excerptOf(problem)]),
    ...status.compileProblems.map(({ message }) => [message]),
  ];
  if (problems.length > 0) lines.push('', ...section('problems', problems));
  lines.push('', ...section('packets', counterRows(status)));
  return lines.join('\n');
}

function sourceText({ synced, asOf, fault }: AgentStatus['source']): string {
  if (!synced) return `not seen whole yet${fault === '' ? '' : `: ${fault}`}`;
  return fault === '' ? `as of ${asOf}` : `as of ${asOf}; since then: ${fault}`;
}

/** The ranges of the node, and how full those in use are. */
function rangesText({ podCIDRs, ipam }: AgentStatus): string {
  const texts = podCIDRs.map((cidr) => {
    const usage = ipam.find((range) => range.cidr === cidr);
    if (usage === undefined) return cidr;
    const { held, resting, free } = usage;
    return `${cidr} (${held} held, ${resting === 0 ? '' : `${resting} resting, `}${free} free)`;
  });
  return texts.join(', ') || 'none';
}

function fillText({ tableFill }: AgentStatus): string {
  return tableFill.map(({ table, used, max }) => `${used} of ${max} ${table}`).join(', ');
}

function outstanding({ submitted, realized, failure }: AgentStatus['tables']): string {
  if (submitted === realized) return '';
  return `, without the newest ${submitted - realized} of ${submitted} changes${failure === '' ? ': on their way' : ''}`;
}

/** The line in question with a caret below the place, indented under the message. */
function excerptOf({ place }: ObjectProblem): string {
  if (place === undefined) return '';
  return place.excerpt
    .split('\n')
    .map((line) => `\n      ${line}`)
    .join('');
}

function endpointRows({ endpoints }: AgentStatus): string[][] {
  if (endpoints.length === 0) return [['none']];
  return endpoints.map((endpoint) => [
    endpoint.pod,
    endpoint.addresses.join(' '),
    endpoint.hostInterface,
    `ingress ${sideOf(endpoint, endpoint.ingressPolicies)}`,
    `egress ${sideOf(endpoint, endpoint.egressPolicies)}`,
  ]);
}

/** The policies that isolate this side, or what holds without any. */
function sideOf({ closed }: EndpointStatus, policies: readonly string[]): string {
  return closed ? 'closed' : policies.join(', ') || 'open';
}

function counterRows({ counters }: AgentStatus): string[][] {
  if (counters.length === 0) return [['none yet']];
  return counters.map(({ reason, direction, packets, bytes }) => [reason, direction, `${packets}`, `${bytes} bytes`]);
}

/** Columns as wide as they need to be. */
function section(title: string, rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: string[]): string =>
    `  ${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ')}`;
  return [styleText('bold', title), ...rows.map(line)];
}

function flowsText({ flows }: AgentStatus): string {
  const text = `${flows.live} answered of ${flows.liveMax}, ${flows.endpointMax} a pod`;
  if (flows.atLimit.length === 0) return text;
  return `${text}; ${styleText('red', 'at the limit')}: ${flows.atLimit.join(', ')}, further flows of theirs may be forgotten early`;
}
