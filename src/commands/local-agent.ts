/** The agent of an instance, as the command line reaches it: HTTP on its unix socket. */
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import type { AgentStatus } from '../agent/status.ts';

export interface InstanceOptions {
  readonly instance: string;
  readonly runDir: string;
}

/** For an answer to begin; `sync` waits for a compile of everything. */
const ANSWER_TIMEOUT_MS = 60_000;

/** @throws Error that says what to do when no agent answers. */
export async function callAgent(options: InstanceOptions, method: string, path: string): Promise<IncomingMessage> {
  const socketPath = join(options.runDir, options.instance, 'agent.sock');
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = request({ socketPath, method, path, agent: false }, resolve);
    call.setTimeout(ANSWER_TIMEOUT_MS, () => call.destroy(new Error(`no answer in ${ANSWER_TIMEOUT_MS / 1000} s`)));
    call.on('response', () => call.setTimeout(0));
    call.on('error', (error) => reject(unreachable(error, socketPath)));
    call.end();
  });
  if (response.statusCode !== 200) throw new Error(`the agent refuses: ${(await readText(response)).trim()}`);
  return response;
}

export async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

export async function readStatus(options: InstanceOptions, method = 'GET', path = '/v1/status'): Promise<AgentStatus> {
  return JSON.parse(await readText(await callAgent(options, method, path))) as AgentStatus;
}

function unreachable(error: Error, socketPath: string): Error {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new Error(`no agent listens on ${socketPath}: is it running, and are --instance and --run-dir the same?`);
  }
  if (code === 'EACCES') return new Error(`${socketPath}: only root may ask the agent`);
  return new Error(`${socketPath}: ${error.message}`);
}
