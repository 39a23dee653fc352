/** The agent of an instance, as the command line reaches it: HTTP on its unix socket. */
import { existsSync, readdirSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { instancePaths } from '../agent/paths.ts';
import type { AgentStatus } from '../agent/status.ts';

export interface InstanceOptions {
  readonly instance: string;
  readonly runDir: string;
}

/** For an answer to begin; `sync` waits for a compile of everything. */
const ANSWER_TIMEOUT_MS = 60_000;
const INSTANCES_NAMED_MAX = 8;

/** @throws ConfigError for a name that no instance can have, Error that says what to do when no agent answers. */
export async function callAgent(options: InstanceOptions, method: string, path: string): Promise<IncomingMessage> {
  const { instance, runDir } = options;
  const { socket: socketPath } = instancePaths(instance, { runDir, stateDir: runDir, bpfRoot: runDir });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = request({ socketPath, method, path, agent: false }, resolve);
    call.setTimeout(ANSWER_TIMEOUT_MS, () => call.destroy(new Error(`no answer in ${ANSWER_TIMEOUT_MS / 1000} s`)));
    call.on('response', () => call.setTimeout(0));
    call.on('error', (error) => reject(unreachable(error, socketPath, runDir)));
    call.end();
  });
  if (response.statusCode !== 200) throw new Error(refusal(await readText(response)));
  return response;
}

/** The agent refuses with a CNI error object. */
function refusal(body: string): string {
  try {
    const { msg, details } = JSON.parse(body) as { msg?: unknown; details?: unknown };
    if (typeof msg === 'string') return typeof details === 'string' && details !== '' ? `${msg}: ${details}` : msg;
  } catch {
    // Somebody else answers on this socket.
  }
  return `the agent refuses: ${body.trim()}`;
}

export async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

export async function readStatus(options: InstanceOptions, method = 'GET', path = '/v1/status'): Promise<AgentStatus> {
  return JSON.parse(await readText(await callAgent(options, method, path))) as AgentStatus;
}

function unreachable(error: Error, socketPath: string, runDir: string): Error {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    const others = instancesBelow(runDir);
    const hint = others.length === 0 ? '' : `; below ${runDir} there are the instances ${others.join(', ')}`;
    return new Error(
      `no agent listens on ${socketPath}: is it running, and are --instance and --run-dir its own?${hint}`,
    );
  }
  if (code === 'EACCES') return new Error(`${socketPath}: only root may ask the agent`);
  return new Error(`${socketPath}: ${error.message}`);
}

/** Where agents listen, or did: those that were killed leave their sockets. */
function instancesBelow(runDir: string): readonly string[] {
  if (!existsSync(runDir)) return [];
  return readdirSync(runDir)
    .filter((name) => existsSync(join(runDir, name, 'agent.sock')))
    .toSorted()
    .slice(0, INSTANCES_NAMED_MAX);
}
