/** The agent's local protocol, as the tests and the demo use it: HTTP/JSON on its unix socket. */
import { type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';

/** `sync` answers when everything is in force, so it may take as long as a compile of everything. */
const REQUEST_TIMEOUT_MS = 20_000;

/** One packet that was dropped, as GET /v1/drops streams it. Pods are `namespace/name`. */
export interface Drop {
  readonly time: string;
  readonly reason: string;
  readonly direction: 'ingress' | 'egress';
  readonly verdict: string;
  readonly protocol: string;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly sourcePod?: string;
  readonly destinationPod?: string;
  readonly policies: readonly string[];
  readonly suppressed: number;
  readonly message: string;
}

export class AgentClient {
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** @throws Error when the agent cannot be reached or does not answer 200. */
  async get(path: string): Promise<unknown> {
    return JSON.parse(await readBody(await this.#request('GET', path)));
  }

  /** Returns when the folder's state is in force. */
  async sync(): Promise<unknown> {
    return JSON.parse(await readBody(await this.#request('POST', '/v1/sync')));
  }

  /** Calls back for each drop until the function that is given back is called, or the agent ends. */
  async drops(listener: (drop: Drop) => void): Promise<() => void> {
    const response = await this.#request('GET', '/v1/drops');
    // The agent may end while the stream is open; what came before then is all there is.
    response.on('error', () => undefined);
    createInterface(response).on('line', (line) => {
      if (line !== '') listener(JSON.parse(line) as Drop);
    });
    return () => response.destroy();
  }

  #request(method: string, path: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: this.socketPath, method, path, agent: false }, (response) => {
        call.setTimeout(0);
        if (response.statusCode === 200) resolve(response);
        else {
          readBody(response).then((body) => {
            reject(new Error(`${method} ${path}: status ${response.statusCode ?? 'none'}: ${body}`));
          }, reject);
        }
      });
      call.setTimeout(REQUEST_TIMEOUT_MS, () => {
        call.destroy(new Error(`${method} ${path}: no answer from ${this.socketPath} in ${REQUEST_TIMEOUT_MS} ms`));
      });
      call.on('error', reject);
      call.end();
    });
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk);
  return body;
}
