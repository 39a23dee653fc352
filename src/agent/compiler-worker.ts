/**
 * The compiler's thread (compile-service.ts is its other end). Requests are carried out in the order they come.
 *
 * Nothing is caught: a compiler that has thrown is half-way through its work, and tables that it would make afterwards
 * could open what is closed. The thread ends with the error, and the agent with it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { giveBackMemory } from '../lib/give-back-memory.ts';
import { Compiler, type CompileProblem, type CompilerOptions, type RetiredIds } from '../policy/compiler.ts';
import type { ClusterChange } from '../policy/model.ts';
import type { TableDelta } from '../policy/table-delta.ts';
import type { VerdictTables } from '../policy/tables.ts';
import type { Cidr } from '../net/cidr.ts';
import type { Frontend } from '../service/frontend.ts';
import type { ServiceChange } from '../service/model.ts';
import type { ServiceProblem } from '../service/problem.ts';
import { type Resolution, ServiceResolver, type ServiceResolverOptions } from '../service/resolve.ts';
import { isServiceDelta, makeServiceDelta, type ServiceDelta } from '../service/delta.ts';
import { largestServices, makeServiceTables, type ServiceTables } from '../service/tables.ts';

/** Changes between two compiles, as of a first list, after which memory is given back. */
const MANY_CHANGES = 20_000;
/** Frontends of a delta: with more, flat tables that are transferred cost the agent less. */
const DELTA_FRONTENDS_MAX = 500;

export interface CompilerStart extends CompilerOptions {
  /** Ids of Services that the kernel refers to. */
  readonly given?: NonNullable<ServiceResolverOptions['given']>;
  /** Addresses of Services: what no Service has of them leads nowhere. @default none */
  readonly serviceRanges?: readonly Cidr[];
}

/** What became of the Services. */
export interface ResolvedServices {
  /** A delta changes what the resolution before came to. */
  readonly tables: ServiceTables | ServiceDelta;
  readonly problems: readonly ServiceProblem[];
  /** Services that take the most room. */
  readonly largest: readonly string[];
}

export type CompilerRequest =
  | { readonly kind: 'update'; readonly changes: readonly ClusterChange[]; readonly services: readonly ServiceChange[] }
  | { readonly kind: 'frontends'; readonly service: string | undefined }
  | { readonly kind: 'compile'; readonly form: 'whole' | 'delta' }
  | { readonly kind: 'release'; readonly retired: RetiredIds };

export type CompilerResponse = CompilerFindings &
  (
    { readonly form: 'whole'; readonly tables: VerdictTables } | { readonly form: 'delta'; readonly tables: TableDelta }
  );

interface CompilerFindings {
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
// The zone is not known before the Node object is: until then hints for zones are not looked at (SVC-22).
const resolver = new ServiceResolver({
  location: { node: start.node, zone: '' },
  ...(start.given === undefined ? {} : { given: start.given }),
});
/** The first tables say, too, that there is nothing. */
let isChanged = true;
/** Changes since the compile before. */
let taken = 0;
let frontends: Resolution['frontends'] = [];

port.on('message', (request: CompilerRequest) => {
  switch (request.kind) {
    case 'update':
      taken += request.changes.length;
      for (const change of request.changes) {
        compiler.update(change);
        followLocation(change);
      }
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
      if (request.form === 'whole') compileWhole();
      else compileDelta();
      return;
  }
});

/** The node's zone is a label of its Node object, which may come, go and change. */
function followLocation(change: ClusterChange): void {
  if (change.kind !== 'Node') return;
  const name = change.op === 'set' ? change.object.name : change.key;
  if (name !== start.node) return;
  resolver.setLocation({ node: start.node, zone: change.op === 'set' ? (change.object.zone ?? '') : '' });
  isChanged = true;
}

function compileWhole(): void {
  const { tables, problems, retired } = compiler.compile();
  const services = isChanged ? resolveServices() : undefined;
  answer({ form: 'whole', tables, problems, retired, services }, [
    ...buffersOf(tables),
    ...portBuffersOf(tables.ports),
  ]);
}

function compileDelta(): void {
  const { delta, problems, retired } = compiler.compileDelta();
  const services = isChanged ? resolveServices() : undefined;
  const ports = delta.ports === undefined ? [] : portBuffersOf(delta.ports);
  const more = [delta.ruleSets.buffer, delta.goneEndpoints.buffer] as ArrayBuffer[];
  answer({ form: 'delta', tables: delta, problems, retired, services }, [...buffersOf(delta), ...ports, ...more]);
}

function answer(response: CompilerResponse, buffers: readonly ArrayBuffer[]): void {
  const more = response.services === undefined ? [] : serviceBuffersOf(response.services.tables);
  port?.postMessage(response, [...buffers, ...more]);
  const isMuch = taken >= MANY_CHANGES;
  taken = 0;
  if (isMuch) giveBackMemory();
}

function resolveServices(): ResolvedServices {
  const resolution = resolver.resolve();
  isChanged = false;
  frontends = resolution.frontends;
  const { revision, changed, removed } = resolution;
  const isSmall = revision > 1 && changed.length + removed.length <= DELTA_FRONTENDS_MAX;
  const tables = isSmall ? makeServiceDelta(resolution) : makeServiceTables(resolution, start.serviceRanges ?? []);
  return {
    tables,
    problems: resolution.problems,
    largest: largestServices(resolution.frontends),
  };
}

function answerFrontends(service: string | undefined): void {
  const response: FrontendsResponse = {
    frontends: service === undefined ? frontends : frontends.filter((frontend) => frontend.service === service),
  };
  port?.postMessage(response);
}

function serviceBuffersOf(tables: ServiceTables | ServiceDelta): ArrayBuffer[] {
  // The slots of a delta are the resolver's own: they are copied.
  if (isServiceDelta(tables)) return [];
  const { frontends: table, backends, slots, addresses, ranges } = tables;
  const arrays = [
    table.keys,
    table.ids,
    table.flags,
    table.affinitySeconds,
    table.firstSlot,
    table.slotCount,
    backends.ids,
    backends.frontends,
    backends.keys,
    slots,
    addresses,
    ranges,
  ];
  return [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))];
}

function portBuffersOf({ protocol, first, last, portClass }: VerdictTables['ports']): ArrayBuffer[] {
  return [protocol, first, last, portClass].map(({ buffer }) => buffer as ArrayBuffer);
}

function buffersOf({ addresses, prefixes, rows, endpoints }: Omit<VerdictTables, 'ports'>): ArrayBuffer[] {
  const arrays = [
    addresses.keys,
    addresses.classes,
    addresses.flags,
    prefixes.keys,
    prefixes.classes,
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
