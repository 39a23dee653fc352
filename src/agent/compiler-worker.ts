/** The compiler's thread (compile-service.ts is its other end). Requests are carried out in the order they come. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '../lib/errors.ts';
import { Compiler, type CompileProblem, type CompilerOptions, type RetiredIds } from '../policy/compiler.ts';
import type { ClusterChange } from '../policy/model.ts';
import type { VerdictTables } from '../policy/tables.ts';

export type CompilerStart = CompilerOptions;

export type CompilerRequest =
  | { readonly kind: 'update'; readonly changes: readonly ClusterChange[] }
  | { readonly kind: 'compile' }
  | { readonly kind: 'release'; readonly retired: RetiredIds };

export type CompilerResponse =
  | {
      readonly kind: 'compiled';
      readonly tables: VerdictTables;
      readonly problems: readonly CompileProblem[];
      readonly retired: RetiredIds;
    }
  | { readonly kind: 'failed'; readonly message: string };

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
  try {
    const { tables, problems, retired } = compiler.compile();
    const response: CompilerResponse = { kind: 'compiled', tables, problems, retired };
    port?.postMessage(response, buffersOf(tables));
  } catch (error) {
    const response: CompilerResponse = { kind: 'failed', message: errorMessage(error) };
    port?.postMessage(response);
  }
}

function buffersOf({ addresses, prefixes, ports, rows, endpoints }: VerdictTables): ArrayBuffer[] {
  const arrays = [
    ...[addresses.keys, addresses.classes, addresses.flags, prefixes.keys, prefixes.classes],
    ...[ports.protocol, ports.first, ports.last, ports.portClass],
    ...[rows.ruleSet, rows.peerClass, rows.block, rows.allow, rows.audit],
    ...[endpoints.id, endpoints.ingress, endpoints.egress],
  ];
  return [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))];
}
