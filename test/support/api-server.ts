/**
 * An API server for tests, over real HTTP on 127.0.0.1: LIST in pages, WATCH, discovery, and on demand everything that
 * real ones and the networks before them do wrong. Follows the documented meaning of resourceVersion, except where a
 * fault says otherwise.
 */
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createListener, type Socket } from 'node:net';
import { withNetns } from '../../src/kernel/namespace.ts';
import { ApiServerStore, type RawObject, type StoredEvent } from './api-server-store.ts';

export type Verb = 'list' | 'watch' | 'get' | 'discover';

/** What happens to one request instead of, or before, the right answer. */
export type Fault =
  | {
      readonly kind: 'status';
      readonly code: number;
      readonly headers?: Record<string, string>;
      readonly body?: unknown;
    }
  /** The connection is taken, and then there is silence. */
  | { readonly kind: 'stall' }
  /** Closed without an answer. */
  | { readonly kind: 'reset' }
  /** 200, this text, and a close: clean, or in the middle of the transfer. */
  | { readonly kind: 'text'; readonly text: string; readonly close: 'clean' | 'abrupt' };

export interface SeenRequest {
  readonly verb: Verb;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly authorization: string | undefined;
}

export interface WrittenObject {
  readonly method: string;
  readonly path: string;
  readonly contentType: string;
  readonly body: {
    readonly metadata?: { readonly name?: string; readonly annotations?: Readonly<Record<string, string>> };
    readonly [field: string]: unknown;
  };
}

interface Watcher {
  readonly path: string;
  readonly response: ServerResponse;
}

export class ApiServer implements AsyncDisposable {
  store: ApiServerStore;
  /** Another server's cache, older than this one's: it answers lists that name a version, and watches, while it is set. */
  staleReplica: ApiServerStore | undefined;
  /** Every event is sent so often. */
  copies = 1;
  /** How a watch from a forgotten version is told so. */
  goneAs: 'status' | 'event' = 'status';
  /** Whether a watch gets a bookmark as soon as it is open, where real servers take a minute. */
  bookmarksAtOnce = false;
  /** Milliseconds before each page. */
  pageDelayMs = 0;
  /** Only requests with this bearer token are answered. Undefined: all. */
  token: string | undefined;
  /** Of paths whose watches lag behind: the last revision that they have heard of. */
  readonly #lagging: Map<string, number> = new Map();
  /** Paths that are not served at all, nor discovered. */
  readonly absent: Set<string> = new Set();
  readonly requests: SeenRequest[] = [];
  /** Objects that were created and patches, in their order. They are not kept as objects. */
  readonly written: WrittenObject[] = [];
  /** Network namespaces (their descriptors) in which it is as if nothing listened: every connection is cut at once. */
  readonly #gone: Set<number> = new Set();
  /** Called with each page before it is sent. */
  onPage: () => void = () => undefined;
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();
  readonly #origins: WeakMap<Socket, number> = new WeakMap();
  readonly #faults: { readonly verb: Verb; readonly path: string | undefined; readonly fault: Fault }[] = [];
  readonly #watchers: Set<Watcher> = new Set();
  /** Items that are left of a paged list, by continue token. */
  readonly #pages: Map<string, { readonly items: readonly RawObject[]; readonly revision: number }> = new Map();
  readonly #served: ReadonlySet<string>;
  #nextToken = 1;

  private constructor(served: readonly string[], store: ApiServerStore, server: Server) {
    this.store = store;
    this.#served = new Set(served);
    this.#server = server;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response));
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** @param served paths of the resources that it has, like `/api/v1/pods`. */
  static async start(served: readonly string[]): Promise<ApiServer> {
    const server = createServer();
    const api = new ApiServer(served, new ApiServerStore(), server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return api;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Serves at 127.0.0.1 and the same port in another network namespace, too, until the function given back is called. */
  listenIn(netnsFd: number): () => void {
    const listener = createListener((socket) => {
      if (this.#gone.has(netnsFd)) {
        socket.destroy();
        return;
      }
      this.#origins.set(socket, netnsFd);
      this.#server.emit('connection', socket);
    });
    // Without a host, the socket is made before `listen` returns.
    withNetns(netnsFd, () => listener.listen(this.port));
    return () => listener.close();
  }

  /** Cannot be reached from that namespace any more, until it comes back. */
  goAwayFrom(netnsFd: number): void {
    this.#gone.add(netnsFd);
    for (const socket of this.#sockets) if (this.#origins.get(socket) === netnsFd) socket.destroy();
  }

  comeBackTo(netnsFd: number): void {
    this.#gone.delete(netnsFd);
  }

  /** Watches that are open now. */
  watchers(path?: string): number {
    return [...this.#watchers].filter((watcher) => path === undefined || watcher.path === path).length;
  }

  /** Requests of that kind so far. */
  seen(verb: Verb, path?: string): readonly SeenRequest[] {
    return this.requests.filter((request) => request.verb === verb && (path === undefined || request.path === path));
  }

  /** The next requests of that kind meet these faults, one each. */
  inject(verb: Verb, faults: readonly Fault[], path?: string): void {
    this.#faults.push(...faults.map((fault) => ({ verb, path, fault })));
  }

  /** Faults that nobody has met are forgotten. */
  clearFaults(): void {
    this.#faults.length = 0;
  }

  set(path: string, object: RawObject): void {
    this.#broadcast(this.store.set(path, object));
  }

  delete(path: string, key: string): void {
    this.#broadcast(this.store.delete(path, key));
  }

  /** From now on watches on the path hear of nothing, though all else goes on. */
  lag(path: string): void {
    this.#lagging.set(path, this.store.revision);
  }

  /** Those watches hear of what they missed, up to that revision. */
  catchUp(path: string, revision: number = this.store.revision): void {
    const since = this.#lagging.get(path) ?? this.store.revision;
    if (revision >= this.store.revision) this.#lagging.delete(path);
    else this.#lagging.set(path, revision);
    for (const event of this.store.eventsAfter(path, since)) if (event.revision <= revision) this.#broadcast(event);
  }

  /** To every open watch on the path. */
  bookmark(path: string): void {
    const object = { metadata: { resourceVersion: String(this.store.revision) } };
    this.send(path, `${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  }

  send(path: string, text: string): void {
    for (const watcher of this.#watchers) if (watcher.path === path) watcher.response.write(text);
  }

  /** Events that happen now reach no watch. */
  disconnect(how: 'clean' | 'abrupt'): void {
    for (const { response } of this.#watchers) {
      if (how === 'clean') response.end();
      else response.destroy();
    }
    this.#watchers.clear();
  }

  /** As after a restart, perhaps from a backup: every connection breaks, continue tokens are gone. */
  restart(store: ApiServerStore = this.store): void {
    this.store = store;
    this.#pages.clear();
    this.disconnect('abrupt');
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Forgets continue tokens, as etcd does after some minutes. */
  expirePages(): void {
    this.#pages.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.restart();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://server');
    const path = url.pathname;
    if (request.method !== 'GET') {
      void this.#takeWrite(request, path, response);
      return;
    }
    const query = Object.fromEntries(url.searchParams);
    const single = this.#single(path);
    const discover = single === undefined && !this.#served.has(path) && !this.absent.has(path);
    const verb = single !== undefined ? 'get' : discover ? 'discover' : query['watch'] === 'true' ? 'watch' : 'list';
    this.requests.push({ verb, path, query, authorization: request.headers.authorization });
    const index = this.#faults.findIndex((entry) => entry.verb === verb && (entry.path ?? path) === path);
    const [entry] = index === -1 ? [] : this.#faults.splice(index, 1);
    if (entry !== undefined) this.#fail(entry.fault, response);
    else if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`)
      status(response, 401);
    else if (single !== undefined) this.#get(single, response);
    else if (verb === 'discover') this.#discover(path, response);
    else if (this.absent.has(path)) response.writeHead(404).end('404 page not found\n');
    else if (verb === 'watch') this.#watch(path, query, response);
    else setTimeout(() => this.#list(path, query, response), this.pageDelayMs);
  }

  /** A second object of a name that is created is refused, as by a real one. */
  async #takeWrite(request: IncomingMessage, path: string, response: ServerResponse): Promise<void> {
    const body = JSON.parse(await text(request)) as WrittenObject['body'];
    const { method = '', headers } = request;
    const name = body.metadata?.name;
    const isSecond =
      method === 'POST' && this.written.some((other) => other.path === path && other.body.metadata?.name === name);
    if (isSecond) {
      status(response, 409);
      return;
    }
    this.written.push({ method, path, contentType: headers['content-type'] ?? '', body });
    json(response, body, method === 'POST' ? 201 : 200);
  }

  #fail(fault: Fault, response: ServerResponse): void {
    if (fault.kind === 'reset') response.destroy();
    if (fault.kind === 'status') status(response, fault.code, fault.headers, fault.body);
    if (fault.kind === 'text') {
      response.writeHead(200);
      response.write(fault.text, () => (fault.close === 'clean' ? response.end() : response.destroy()));
    }
  }

  #discover(path: string, response: ServerResponse): void {
    const served = [...this.#served].filter((known) => !this.absent.has(known)).map((known) => known.split('/'));
    const [, , group, version] = path.split('/');
    if (path === '/apis') {
      const names = new Set(served.filter(([, root]) => root === 'apis').map(([, , name]) => name));
      const versionsOf = (name: unknown): unknown[] =>
        served.filter(([, , other]) => other === name).map(([, , , known]) => ({ version: known }));
      json(response, {
        kind: 'APIGroupList',
        groups: [...names].map((name) => ({ name, versions: versionsOf(name) })),
      });
      return;
    }
    const resources = served.filter(([, , g, v]) => g === group && v === version).map(([, , , , name]) => ({ name }));
    if (resources.length === 0) response.writeHead(404).end('404 page not found\n');
    else json(response, { kind: 'APIResourceList', resources });
  }

  /** Which resource and object of it a path like `/api/v1/namespaces/shop/pods/web` names. */
  #single(path: string): { readonly path: string; readonly key: string } | undefined {
    const [, root = '', namespace, plural, name] = /^(\/.+)\/namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
    const resource = `${root}/${plural}`;
    return name !== undefined && this.#served.has(resource)
      ? { path: resource, key: `${namespace}/${name}` }
      : undefined;
  }

  /** Always of the store: a quorum read. */
  #get({ path, key }: { readonly path: string; readonly key: string }, response: ServerResponse): void {
    const object = this.store.get(path, key);
    if (object === undefined) status(response, 404);
    else json(response, object);
  }

  #list(path: string, query: Readonly<Record<string, string>>, response: ServerResponse): void {
    // Without a version it is a quorum read, which no cache answers.
    const store = query['resourceVersion'] === undefined ? this.store : (this.staleReplica ?? this.store);
    const wanted = Number(query['resourceVersion'] ?? 0);
    if (query['resourceVersionMatch'] === 'NotOlderThan' && wanted > store.revision) {
      tooNew(response, wanted, store.revision);
      return;
    }
    const token = query['continue'];
    const rest = token === undefined ? { items: store.list(path), revision: store.revision } : this.#pages.get(token);
    if (rest === undefined) {
      status(response, 410);
      return;
    }
    const limit = Number(query['limit'] ?? rest.items.length);
    const metadata: Record<string, string> = { resourceVersion: String(rest.revision) };
    if (rest.items.length > limit) {
      metadata['continue'] = `page-${this.#nextToken++}`;
      this.#pages.set(metadata['continue'], { items: rest.items.slice(limit), revision: rest.revision });
    }
    if (token !== undefined) this.#pages.delete(token);
    this.onPage();
    json(response, { kind: 'List', apiVersion: 'v1', metadata, items: rest.items.slice(0, limit) });
  }

  #watch(path: string, query: Readonly<Record<string, string>>, response: ServerResponse): void {
    const store = this.staleReplica ?? this.store;
    const from = Number(query['resourceVersion']);
    if (from > store.revision) {
      tooNew(response, from, store.revision);
      return;
    }
    if (from < store.compacted && this.goneAs === 'status') {
      status(response, 410);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (from < store.compacted) {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    for (const event of store.eventsAfter(path, from)) {
      if (event.revision <= this.#heard(path)) this.#write(response, event);
    }
    if (this.bookmarksAtOnce) {
      const metadata = { resourceVersion: String(Math.min(store.revision, this.#heard(path))) };
      response.write(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`);
    }
    const watcher = { path, response };
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }

  #broadcast(event: StoredEvent): void {
    if (event.revision > this.#heard(event.path)) return;
    for (const { path, response } of this.#watchers) if (path === event.path) this.#write(response, event);
  }

  /** The last revision that watches on the path may tell of. */
  #heard(path: string): number {
    return this.#lagging.get(path) ?? Infinity;
  }

  #write(response: ServerResponse, { type, object }: StoredEvent): void {
    response.write(`${JSON.stringify({ type, object })}\n`.repeat(this.copies));
  }
}

function json(response: ServerResponse, body: unknown, code = 200, headers: Record<string, string> = {}): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function status(response: ServerResponse, code: number, headers?: Record<string, string>, body?: unknown): void {
  json(response, body ?? { kind: 'Status', status: 'Failure', code, message: `status ${code}` }, code, headers);
}

function tooNew(response: ServerResponse, wanted: number, current: number): void {
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`;
  const details = { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] };
  json(response, { kind: 'Status', status: 'Failure', code: 504, reason: 'Timeout', message, details }, 504);
}
