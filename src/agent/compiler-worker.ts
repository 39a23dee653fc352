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

export type CompilerStart = CompilerOptions;

export type CompilerRequest =
  | { readonly kind: 'update'; readonly changes: readonly ClusterChange[] }
  | { readonly kind: 'compile' }
  | { readonly kind: 'release'; readonly retired: RetiredIds };

export interface CompilerResponse {
  readonly tables: VerdictTables;
  readonly problems: readonly CompileProblem[];
  readonly retired: RetiredIds;
}

const port = parentPort;
if (port === null) throw new Error('compiler-worker.ts is a thread of the agent, not a program');

const compiler = new Compiler(workerData as CompilerStart);

port.on('message', (request: CompilerRequest) => {
  switch (request.kind) {
    case 'update':
      for (const change of request.changes) compiler.update(change);
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
  const response: CompilerResponse = { tables, problems, retired };
  port?.postMessage(response, buffersOf(tables));
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
