/** `sluice service list|show|trace`: what Services lead to on one node, and which backend a client gets. */
import { ConfigError } from '../lib/errors.ts';
import { formatProblem } from '../service/problem.ts';
import { EXIT_NO, endWith } from './support/exit-code.ts';
import { indent, paint, print, printData, readFormat } from './support/output.ts';
import { openServiceSource, type SeenServices, type ServiceSourceOptions } from './support/service-source.ts';
import { findFrontends, readTraceClient, readTraceTarget, type TraceStep, traceFlow } from './support/service-trace.ts';
import { formatFrontend, formatServiceList } from './support/service-view.ts';

export interface ServiceOptions extends ServiceSourceOptions {
  readonly output: string;
}

export interface TraceOptions extends ServiceOptions {
  readonly from: string;
  readonly to: string;
  readonly sourcePort?: string;
}

const FORMATS = ['table', 'json', 'yaml'] as const;
const PORT_MAX = 65_535;

export async function runServiceList(options: ServiceOptions): Promise<void> {
  const format = readFormat(options.output, FORMATS);
  const seen = await (await openServiceSource(options)).see();
  tell(seen);
  if (format === 'table') print(formatServiceList(seen.frontends));
  else printData(format, { node: seen.node, frontends: seen.frontends, problems: seen.problems, notes: seen.notes });
}

/** name: `namespace/name`, or a name in namespace `default`. */
export async function runServiceShow(name: string, options: ServiceOptions): Promise<void> {
  const format = readFormat(options.output, FORMATS);
  const service = name.includes('/') ? name : `default/${name}`;
  const seen = await (await openServiceSource(options)).see(service);
  if (seen.frontends.length === 0) {
    tell(seen);
    throw new ConfigError(
      `Service ${service} has no frontend here: it does not exist, is headless or an ExternalName, has no cluster IP, or is left to another proxy`,
    );
  }
  const own = {
    ...seen,
    problems: seen.problems.filter((problem) => `${problem.namespace}/${problem.name}` === service),
  };
  if (format === 'table') {
    print([paint('bold', `Service ${service}`), ...seen.frontends.map(formatFrontend)].join('\n\n'));
    tell(own);
  } else printData(format, { service, node: seen.node, frontends: seen.frontends, notes: seen.notes });
}

/** Exit code 1 when the flow reaches nothing. */
export async function runServiceTrace(options: TraceOptions): Promise<void> {
  const format = readFormat(options.output, FORMATS);
  const sourcePort = readSourcePort(options.sourcePort);
  const source = await openServiceSource(options);
  const client = await readTraceClient(options.from, source);
  const namespace = client.text.includes('/') ? client.text.slice(0, client.text.indexOf('/')) : 'default';
  const target = readTraceTarget(options.to, namespace);
  const seen = await source.see(target.service, client.node);
  const steps = traceFlow(client, findFrontends(target, seen.frontends), sourcePort);
  const notes = [
    ...seen.notes,
    'a flow under way keeps the backend it began with; policy is judged on the backend: sluice explain',
  ];
  if (format === 'table') print([...steps.map(formatStep), ...notes.map((note) => paint('dim', note))].join('\n\n'));
  else printData(format, { from: client.text, to: target.service, node: seen.node, steps, notes });
  if (steps.some(({ state }) => state !== 'backends')) endWith(EXIT_NO);
}

function formatStep({ client, frontend, protocol, state, backend, why }: TraceStep): string {
  const end = {
    backends: backend ?? 'one of its backends',
    reject: 'refused',
    drop: 'dropped',
    elsewhere: 'left to another proxy',
  }[state];
  const head = `${client} -> ${frontend}/${protocol} -> ${paint(state === 'backends' ? 'green' : 'red', end)}`;
  return `${head}\n${indent(why.join('\n'), 2)}`;
}

/** @throws ConfigError */
function readSourcePort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^[0-9]{1,5}$/.test(text) && port > 0 && port <= PORT_MAX) return port;
  throw new ConfigError(`--source-port ${JSON.stringify(text)}: use a number from 1 to ${PORT_MAX}`);
}

function tell({ problems, notes }: Pick<SeenServices, 'problems' | 'notes'>): void {
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
  for (const note of notes) process.stderr.write(`${note}\n`);
}
