/**
 * One sample in a process of its own, so that memory is what it takes and nothing of earlier samples: `node --expose-gc
 * dry-run-process.ts NAME` prints one line of JSON. The input is made, or read, before the clock starts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { Snapshot } from '../../src/cluster/snapshot.ts';
import { Compiler } from '../../src/policy/compiler.ts';
import type { ClusterChange } from '../../src/policy/model.ts';
import { countPairs } from '../../src/policy/pair-count.ts';
import { readPod } from '../../src/policy/validate.ts';
import { NODE } from './cluster.ts';
import { mutualCluster, type PeerForm, rawPodOf, WIDE, wideCluster } from './dry-run-cluster.ts';

export interface Sample {
  readonly ms: number;
  /** Peak of the process, less what it had when the clock started. */
  readonly mib: number;
  /** What the sample counts, if anything: rows, bytes. */
  readonly count: number;
}

const LOCAL_PODS = 110;

function measure(run: () => number): Sample {
  collect();
  const before = process.memoryUsage().rss;
  const start = performance.now();
  const count = run();
  const ms = performance.now() - start;
  // maxRSS is in KiB.
  return { ms, mib: Math.max(0, process.resourceUsage().maxRSS * 1024 - before) / 2 ** 20, count };
}

function collect(): void {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc');
  for (let i = 0; i < 3; i++) globalThis.gc();
}

function answer(changes: readonly ClusterChange[]): Sample {
  return measure(() => countPairs(changes).kinds);
}

/** Bytes of heap for each pod, read one by one as a watch brings them. */
function snapshotBytes(): Sample {
  const snapshot = new Snapshot();
  collect();
  const before = process.memoryUsage().heapUsed;
  const sample = measure(() => {
    for (let i = 0; i < WIDE.pods; i++) {
      const { object } = readPod(JSON.parse(JSON.stringify(rawPodOf(i))));
      if (object === undefined) throw new Error('the generator made a pod that cannot be read');
      snapshot.apply([{ kind: 'Pod', op: 'set', object }]);
    }
    return snapshot.pods.size;
  });
  collect();
  return { ...sample, count: (process.memoryUsage().heapUsed - before) / snapshot.pods.size };
}

/** Rows of the tables of one node. */
function nodeTables(form: PeerForm): Sample {
  const changes = [...mutualCluster(LOCAL_PODS, form)];
  return measure(() => {
    const compiler = new Compiler({ node: NODE });
    for (const change of changes) compiler.update(change);
    return compiler.compile().tables.rows.block.length;
  });
}

function parseFolder(folder: string): Sample {
  return measure(() => {
    let documents = 0;
    for (const name of readdirSync(folder)) {
      const parsed = parseAllDocuments(readFileSync(join(folder, name), 'utf8'), { logLevel: 'silent' });
      for (const document of parsed) if (document.toJS() !== null) documents += 1;
    }
    return documents;
  });
}

const SAMPLES: Readonly<Record<string, (argument: string) => Sample>> = {
  wide: () => answer(wideCluster()),
  mutual: () => answer([...mutualCluster(0, 'one peer')]),
  'mutual-node': () => nodeTables('one peer'),
  'mutual-named': () => answer([...mutualCluster(0, 'a peer each')]),
  'mutual-named-node': () => nodeTables('a peer each'),
  snapshot: snapshotBytes,
  parse: parseFolder,
};

const [name = '', argument = ''] = process.argv.slice(2);
const run = SAMPLES[name];
if (run === undefined) throw new Error(`there is no sample ${name}`);
console.log(JSON.stringify(run(argument)));
