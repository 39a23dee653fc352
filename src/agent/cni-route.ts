/** `POST /v1/cni`: carries a launcher's request from the local server to the CNI handler. */
import { CniCode, CniError } from '../cni/error.ts';
import type { CniHandler } from '../cni/handler.ts';
import { NETNS_HEADER } from '../cni/netns-handle.ts';
import type { Clock } from '../lib/clock.ts';
import type { LocalRequest } from './local-exchange.ts';
import type { LocalServer } from './local-server.ts';

const CNI_CONTENT_TYPE = 'application/x-sluice-cni';

/** @param observe called after each request: `ok` or the error code, and the time to the answer. */
export function addCniRoute(
  server: LocalServer,
  handler: CniHandler,
  clock: Pick<Clock, 'monotonicMs'>,
  observe: (command: string, result: string, seconds: number) => void,
): void {
  server.route('POST', '/v1/cni', async (request) => {
    const type = request.headers['content-type'];
    if (type !== CNI_CONTENT_TYPE) {
      throw new CniError(CniCode.badRequest, `content-type is "${type ?? ''}"; it must be ${CNI_CONTENT_TYPE}`);
    }
    const startMs = clock.monotonicMs();
    let answerMs: number | undefined;
    const { command, code } = await handler.handle({
      body: request.body,
      callerPid: request.peer.pid,
      netnsStatement: netnsStatement(request),
      signal: request.signal,
      deliver: ({ status, body }) => {
        answerMs = clock.monotonicMs();
        return request.deliver({ status, body, contentType: 'application/json' });
      },
    });
    observe(command, code === undefined ? 'ok' : String(code), ((answerMs ?? clock.monotonicMs()) - startMs) / 1000);
  });
}

function netnsStatement(request: LocalRequest): string | undefined {
  const value = request.headers[NETNS_HEADER];
  return Array.isArray(value) ? value.join(',') : value;
}
