/**
 * The compiler's thread (compile-service.ts is its other end). Requests are carried out in the order they come.
 *
 * Nothing is caught: a compiler that has thrown is half-way through its work, and tables that it would make afterwards
 * could open what is closed. The thread ends with the error, and the agent with it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Compiler, type CompileProblem, type CompilerOptions, type RetiredIds } from '../policy/compiler.ts';
import type { ClusterChange } from '../policy/model.ts';
import type { VerdictTables } from '../policy/tables.ts';
import type { Cidr } from '../net/cidr.ts';
import type { Frontend } from '../service/frontend.ts';
import type { ServiceChange } from '../service/model.ts';
import type { ServiceProblem } from '../service/problem.ts';
import { type Resolution, ServiceResolver, type ServiceResolverOptions } from '../service/resolve.ts';
import { exceededLimits, makeServiceTables, type ServiceLimit, type ServiceTables } from '../service/tables.ts';

export interface CompilerStart extends CompilerOptions {
  /** Ids of Services that the kernel refers to. */
  readonly given?: NonNullable<ServiceResolverOptions['given']>;
  /** Addresses of Services: what no Service has of them leads nowhere. @default none */
  readonly serviceRanges?: readonly Cidr[];
}

/** What became of the Services. */
export interface ResolvedServices {
  readonly tables: ServiceTables;
  readonly problems: readonly ServiceProblem[];
  /** Tables that they do not fit into. */
  readonly exceeded: readonly ServiceLimit[];
}

export type CompilerRequest =
  | { readonly kind: 'update'; readonly changes: readonly ClusterChange[]; readonly services: readonly ServiceChange[] }
  | { readonly kind: 'frontends'; readonly service: string | undefined }
  | { readonly kind: 'compile' }
  | { readonly kind: 'release'; readonly retired: RetiredIds };

export interface CompilerResponse {
  readonly tables: VerdictTables;
  readonly problems: readonly CompileProblem[];
  readonly retired: RetiredIds;
  /** Undefined: as they were at the compile before. */
  readonly services: ResolvedServices | undefined;
}

/** In answer to `frontends`: those of the Service `namespace/name`, or all. */
export interface FrontendsResponse {
  readonly frontends: readonly Frontend[];
}

const port = parentPort;
if (port === null) throw new Error('compiler-worker.ts is a thread of the agent, not a program');

const start = workerData as CompilerStart;
const compiler = new Compiler(start);
// The zone is not known: hints for zones are not looked at (SVC-22).
const resolver = new ServiceResolver({
  location: { node: start.node, zone: '' },
  ...(start.given === undefined ? {} : { given: start.given }),
});
/** The first tables say, too, that there is nothing. */
let isChanged = true;
let frontends: Resolution['frontends'] = [];

port.on('message', (request: CompilerRequest) => {
  switch (request.kind) {
    case 'update':
      for (const change of request.changes) compiler.update(change);
      for (const change of request.services) resolver.update(change);
      isChanged ||= request.services.length > 0;
      return;
    case 'frontends':
      answerFrontends(request.service);
      return;
    case 'release':
      compiler.release(request.retired);
      return;
    case 'compile':
      compile();
      return;
  }
});

function compile(): void {
  const { tables, problems, retired } = compiler.compile();
  const services = isChanged ? resolveServices() : undefined;
  const response: CompilerResponse = { tables, problems, retired, services };
  const buffers = services === undefined ? [] : serviceBuffersOf(services.tables);
  port?.postMessage(response, [...buffersOf(tables), ...buffers]);
}

function resolveServices(): ResolvedServices {
  const resolution = resolver.resolve();
  isChanged = false;
  frontends = resolution.frontends;
  const tables = makeServiceTables(resolution, start.serviceRanges ?? []);
  return { tables, problems: resolution.problems, exceeded: exceededLimits(tables) };
}

function answerFrontends(service: string | undefined): void {
  const response: FrontendsResponse = {
    frontends: service === undefined ? frontends : frontends.filter((frontend) => frontend.service === service),
  };
  port?.postMessage(response);
}

function serviceBuffersOf({ frontends: table, backends, slots, addresses, ranges }: ServiceTables): ArrayBuffer[] {
  const arrays = [
    table.keys,
    table.ids,
    table.flags,
    table.affinitySeconds,
    table.firstSlot,
    table.slotCount,
    backends.ids,
    backends.keys,
    slots,
    addresses,
    ranges,
  ];
  return [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))];
}

function buffersOf({ addresses, prefixes, ports, rows, endpoints }: VerdictTables): ArrayBuffer[] {
  const arrays = [
    addresses.keys,
    addresses.classes,
    addresses.flags,
    prefixes.keys,
    prefixes.classes,
    ports.protocol,
    ports.first,
    ports.last,
    ports.portClass,
    rows.ruleSet,
    rows.peerClass,
    rows.block,
    rows.allow,
    rows.audit,
    endpoints.id,
    endpoints.ingress,
    endpoints.egress,
  ];
  return [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))];
}
