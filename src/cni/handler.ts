/**
 * The CNI verbs as the agent serves them. Each request is parsed, waits for its turn (serial per attachment), is carried
 * out by the `PodNetwork`, and answered. An ADD whose result the caller did not take is undone.
 */
import { AttachmentQueue } from './attachment-queue.ts';
import { CniCode, CniError, encodeCniError, httpStatus, toCniError } from './error.ts';
import type { DelJournal } from './journal.ts';
import { errorMessage } from '../lib/errors.ts';
import { CNI_RUNNING_MAX, CNI_WAITING_MAX, CNI_WAITING_PER_ATTACHMENT_MAX, GC_FAILURES_TOLD_MAX } from './limits.ts';
import type { Log } from '../lib/log.ts';
import { NETNS_HEADER, openCallerNetns, type OpenNetns } from './netns-handle.ts';
import type { AddedPod, AddRequest, PodNetwork, RemoveRequest } from './pod-network.ts';
import {
  attachmentKey,
  parseCall,
  statedVersion,
  type AddCall,
  type Attachment,
  type CheckCall,
  type CniCall,
  type DelCall,
  type GcCall,
} from './request.ts';
import { encodeResult, encodeVersions } from './result.ts';
import { FALLBACK_VERSION, SUPPORTED_VERSIONS, type CniCommand } from './version.ts';

export interface CniAnswer {
  /** HTTP: 200 is success, anything else an error object. */
  readonly status: number;
  /** For stdout; may be empty. */
  readonly body: string;
}

/** One request of a launcher that is known to be root's. */
export interface CniExchange {
  readonly body: Uint8Array;
  readonly callerPid: number;
  /** Value of the `Sluice-Netns` header. */
  readonly netnsStatement: string | undefined;
  /** Aborted when the caller's connection closes before the answer. */
  readonly signal: AbortSignal;
  /** Called once. Resolves when the caller has taken the answer (true) or has gone without it (false). */
  deliver(answer: CniAnswer): Promise<boolean>;
}

/** What became of a request, for metrics. */
export interface HandledCall {
  readonly command: CniCommand | 'unreadable';
  /** Undefined: it succeeded. */
  readonly code: CniCode | undefined;
}

export interface CniHandlerOptions {
  readonly network: PodNetwork;
  readonly journal: DelJournal;
  readonly log: Log;
  /** @default '/proc' */
  readonly procRoot?: string;
}

export interface ReplayReport {
  readonly replayed: number;
  /** Stay in the journal for the next replay. */
  readonly failed: number;
  /** Moved aside. */
  readonly unreadable: number;
}

export class CniHandler {
  readonly #network: PodNetwork;
  readonly #journal: DelJournal;
  readonly #log: Log;
  readonly #procRoot: string;
  readonly #queue = new AttachmentQueue({
    running: CNI_RUNNING_MAX,
    waiting: CNI_WAITING_MAX,
    waitingPerAttachment: CNI_WAITING_PER_ATTACHMENT_MAX,
  });
  #requests = 0;

  constructor(options: CniHandlerOptions) {
    this.#network = options.network;
    this.#journal = options.journal;
    this.#log = options.log;
    this.#procRoot = options.procRoot ?? '/proc';
  }

  /** Requests that run and that wait, for metrics. */
  get load(): { readonly running: number; readonly waiting: number } {
    return this.#queue.size;
  }

  /** Answers the request, whatever is wrong with it. Never throws for the request's or the network's sake. */
  async handle(exchange: CniExchange): Promise<HandledCall> {
    this.#requests += 1;
    let command: HandledCall['command'] = 'unreadable';
    let subject: object = { request: this.#requests };
    const reference = `"request":${this.#requests}`;
    try {
      const call = parseCall(exchange.body);
      command = call.command;
      subject = { ...subject, ...logFields(call) };
      await this.#dispatch(call, exchange);
      return { command, code: undefined };
    } catch (error) {
      const told = toCniError(error, reference);
      const fields = { ...subject, code: told.code, details: told.details, err: error };
      if (error instanceof CniError) this.#log.warn(fields, 'CNI request refused');
      else this.#log.error(fields, 'CNI request failed');
      if (exchange.signal.aborted) return { command, code: told.code };
      const version = statedVersion(exchange.body) ?? FALLBACK_VERSION;
      await exchange.deliver({ status: httpStatus(told.code), body: encodeCniError(told, version) });
      return { command, code: told.code };
    }
  }

  /**
   * Carries out the DELs that launchers journalled. Called when the agent begins to listen and again from time to time:
   * a launcher also journals when the agent is too slow. One entry's failure is logged and does not hold up the others.
   */
  async replayJournal(): Promise<ReplayReport> {
    const report = { replayed: 0, failed: 0, unreadable: 0 };
    for (const attachment of await this.#journal.list()) {
      try {
        const settlement = await this.#queue.run(attachmentKey(attachment), () =>
          this.#journal.settle(attachment, (request) => this.#network.remove(request)),
        );
        if (settlement !== 'absent') report[settlement] += 1;
      } catch (error) {
        report.failed += 1;
        this.#log.error(
          { ...logFields({ command: 'DEL', ...attachment }), err: error },
          'journalled DEL failed and is kept',
        );
      }
    }
    return report;
  }

  async #dispatch(call: CniCall, exchange: CniExchange): Promise<void> {
    switch (call.command) {
      case 'ADD':
        return await this.#queue.run(attachmentKey(call), () => this.#add(call, exchange));
      case 'DEL':
        await this.#queue.run(attachmentKey(call), () => this.#del(call, exchange));
        await exchange.deliver({ status: 200, body: '' });
        return;
      case 'VERSION': {
        const body = encodeVersions(statedVersion(exchange.body), SUPPORTED_VERSIONS);
        await exchange.deliver({ status: 200, body });
        return;
      }
      case 'CHECK':
        await this.#queue.run(attachmentKey(call), () => this.#check(call, exchange));
        await exchange.deliver({ status: 200, body: '' });
        return;
      case 'STATUS':
        this.#network.status();
        await exchange.deliver({ status: 200, body: '' });
        return;
      case 'GC':
        await this.#collect(call);
        await exchange.deliver({ status: 200, body: '' });
        return;
    }
  }

  async #check(call: CheckCall, exchange: CniExchange): Promise<void> {
    await using netnsHandle = await openStatedNetns(call.command, exchange, this.#procRoot);
    await this.#network.check({ ...call, netnsHandle });
  }

  /** Goes on when one cannot be removed, and reports all that could not (CNI-51). */
  async #collect({ network, valid }: GcCall): Promise<void> {
    const staying = new Set(valid.map(attachmentKey));
    const failures: string[] = [];
    for (const attachment of this.#network.attachments(network)) {
      const key = attachmentKey(attachment);
      if (staying.has(key)) continue;
      const fields = logFields({ command: 'GC', ...attachment });
      try {
        await this.#queue.run(key, () => this.#network.remove({ ...attachment, netns: '', netnsHandle: undefined }));
        this.#log.warn(fields, 'attachment that the runtime does not know is removed');
      } catch (error) {
        this.#log.error({ ...fields, err: error }, 'attachment that the runtime does not know cannot be removed');
        failures.push(`${key}: ${errorMessage(error)}`);
      }
    }
    if (failures.length === 0) return;
    const told = failures.slice(0, GC_FAILURES_TOLD_MAX);
    if (failures.length > told.length) told.push(`and ${failures.length - told.length} more`);
    throw new CniError(CniCode.tryAgain, `${failures.length} attachments could not be removed`, told.join('; '));
  }

  async #add(call: AddCall, exchange: CniExchange): Promise<void> {
    // The caller went while the request waited: nothing has begun, so there is nothing to undo.
    if (exchange.signal.aborted) return;
    await using netnsHandle = await openStatedNetns(call.command, exchange, this.#procRoot);
    // A DEL that waits in the journal is older than this ADD and must not meet what it makes.
    await this.#journal.settle(call, (request) => this.#network.remove(request));
    const request: AddRequest = { ...call, netnsHandle };
    const added = await this.#network.add(request, exchange.signal);
    let isTaken = false;
    try {
      isTaken = await deliverResult(call, added, exchange);
    } finally {
      if (!isTaken) await this.#undo(request);
    }
  }

  async #undo(request: AddRequest): Promise<void> {
    const { containerId, ifname, netns, netnsHandle } = request;
    const fields = logFields(request);
    try {
      await this.#network.remove({ containerId, ifname, netns, netnsHandle });
      this.#log.warn(fields, 'ADD undone: its result did not reach the runtime');
    } catch (error) {
      this.#log.error({ ...fields, err: error }, 'ADD whose result did not reach the runtime cannot be undone');
    }
  }

  async #del(call: DelCall, exchange: CniExchange): Promise<void> {
    const { containerId, ifname, netns } = call;
    await using netnsHandle = await this.#openForDel(exchange);
    const request: RemoveRequest = { containerId, ifname, netns, netnsHandle };
    await this.#network.remove(request);
    try {
      await this.#journal.forget(call);
    } catch (error) {
      // The pod is gone all the same. The entry is met again by the next replay or ADD, which then removes nothing.
      this.#log.error({ ...logFields(call), err: error }, 'journalled DEL cannot be removed from the journal');
    }
  }

  /** A DEL works without the namespace: whatever is in its way is logged (CNI-30). */
  async #openForDel(exchange: CniExchange): Promise<OpenNetns | undefined> {
    if (exchange.netnsStatement === undefined) return undefined;
    try {
      return await openCallerNetns(exchange.netnsStatement, exchange.callerPid, this.#procRoot);
    } catch (error) {
      if (!(error instanceof CniError)) throw error;
      this.#log.warn({ err: error, details: error.details }, 'DEL goes on without the network namespace');
      return undefined;
    }
  }
}

function logFields(call: { readonly command: CniCommand } & Partial<Attachment>): object {
  const { command, containerId, ifname } = call;
  return containerId === undefined ? { command } : { command, container: containerId, interface: ifname };
}

async function openStatedNetns(
  command: CniCommand,
  { netnsStatement, callerPid }: CniExchange,
  procRoot: string,
): Promise<OpenNetns> {
  if (netnsStatement !== undefined) return await openCallerNetns(netnsStatement, callerPid, procRoot);
  throw new CniError(CniCode.badRequest, `${command} came without the ${NETNS_HEADER} header`);
}

async function deliverResult(call: AddCall, added: AddedPod, exchange: CniExchange): Promise<boolean> {
  const body = encodeResult(call, added);
  return !exchange.signal.aborted && (await exchange.deliver({ status: 200, body }));
}
