/** What the commands ask of a running agent: `sluice status|sync|drops`. */
import { CniCode, CniError } from '../cni/error.ts';
import { errorMessage } from '../lib/errors.ts';
import type { DropFeed } from './drop-feed.ts';
import type { LocalStream } from './local-exchange.ts';
import type { LocalServer } from './local-server.ts';
import type { AgentStatus } from './status.ts';

const JSON_TYPE = 'application/json';

export interface InspectionParts {
  readonly status: () => AgentStatus;
  /** Resolves when what the source holds now is in force. */
  readonly settle: () => Promise<void>;
  readonly feed: DropFeed;
}

export function addInspectionRoutes(server: LocalServer, { status, settle, feed }: InspectionParts): void {
  const answerStatus = (): { status: number; contentType: string; body: string } => ({
    status: 200,
    contentType: JSON_TYPE,
    body: `${JSON.stringify(status())}\n`,
  });
  server.route('GET', '/v1/status', async (request) => request.answer(answerStatus()));
  server.route('POST', '/v1/sync', async (request) => {
    try {
      await settle();
    } catch (error) {
      throw new CniError(CniCode.tryAgain, 'the desired state is not in force', errorMessage(error), { cause: error });
    }
    request.answer(answerStatus());
  });
  server.route('GET', '/v1/drops', async (request) => {
    // Refused before the answer begins: afterwards nobody could be told.
    let stream: LocalStream | undefined;
    feed.follow((report) => stream?.write(`${JSON.stringify(report)}\n`), request.signal);
    stream = request.stream('application/x-ndjson');
  });
}
