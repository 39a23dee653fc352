/** A server on the socket of an instance, in the place of an agent. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { LocalServer } from '../../../src/agent/local-server.ts';
import { MemoryLog } from '../cni/memory-log.ts';
import { tempFolder } from '../lib/temp-folder.ts';

export const INSTANCE = 'stub';

export interface StubAgent {
  readonly runDir: string;
  readonly server: LocalServer;
}

/** Register its routes, then `listen`. It is gone after the test. */
export function makeStubAgent(): StubAgent {
  const runDir = tempFolder();
  mkdirSync(join(runDir, INSTANCE));
  const server = new LocalServer({
    socketPath: join(runDir, INSTANCE, 'agent.sock'),
    peerCredentials: () => ({ pid: 1, uid: 0 }),
    log: new MemoryLog(),
    bodyBytesMax: 1024,
  });
  onTestFinished(() => server.close());
  return { runDir, server };
}
