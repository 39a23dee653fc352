/**
 * Where the desired state comes from: `manifests/` reads a folder, another source may watch an API server. All that the
 * rest of the agent knows of a source is this.
 */
import type { ClusterChange } from '../policy/model.ts';
import type { ServiceChange } from '../service/model.ts';

/** As a person would name the object; empty strings for what could not be read. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
}

/** Where in a text something stands. */
export interface TextPlace {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** The line itself and a caret below the column. */
  readonly excerpt: string;
}

/** What is wrong with an object or a file, and what a person can do about it. */
export interface ObjectProblem {
  /** error: something that was asked for is not in force. warning: it is, but look at it. */
  readonly severity: 'error' | 'warning';
  /** Undefined when no object could be made out. */
  readonly object: ObjectReference | undefined;
  /** Undefined for sources without files. */
  readonly file: string | undefined;
  readonly place: TextPlace | undefined;
  /** Field path like `spec.ingress[0].ports[1].endPort`; empty for the object or file as a whole. */
  readonly path: string;
  readonly message: string;
  /** Empty when there is nothing to add. */
  readonly hint: string;
}

export interface ClusterUpdate {
  /**
   * One batch, to be compiled as a whole. For readers who take changes one by one it is ordered so that nothing opens on
   * the way: (1) pods go, so an address is never two pods'; (2) namespaces and nodes, (3) policies, (4) pods are set, so
   * a pod meets its policies; (5) policies go last, so a renamed one is never missing; then nodes and namespaces.
   */
  readonly changes: readonly ClusterChange[];
  /** Of the same batch: Services and EndpointSlices, which no verdict depends on. In an order of their own. */
  readonly services: readonly ServiceChange[];
  /** Everything that is wrong now, not only what is new. */
  readonly problems: readonly ObjectProblem[];
}

/** Called when there are changes or the problems are other ones. Must not throw. */
export type ClusterListener = (update: ClusterUpdate) => void;

/** How far the listener's state can be trusted. */
export interface Freshness {
  readonly synced: boolean;
  /** When the source was last seen whole, milliseconds since the epoch; 0 before the first time. */
  readonly asOfMs: number;
  /** Why it cannot be seen now. Undefined while all is well. */
  readonly fault: string | undefined;
}

/** What came of asking for one pod. */
export type PodInquiry =
  /** It was told, or is known already: the snapshot has it. */
  | { readonly kind: 'known' }
  /** It is not there, or cannot be asked for now: the reason, for a person. */
  | { readonly kind: 'unknown'; readonly reason: string };

export interface ClusterSource extends AsyncDisposable {
  /** Once. The first update holds the whole state and comes before `synced` resolves. */
  start(listener: ClusterListener): void;
  /** Rejects with ConfigError when the source can't be used as it is configured, or is closed before. */
  readonly synced: Promise<void>;
  freshness(): Freshness;
  /**
   * Resolves once what the source can know now was told.
   * @throws ConfigError when it cannot see anything now, or is closed.
   */
  sync(): Promise<void>;
  /**
   * Asks for one pod and tells of it as if it had been seen. Sources that see everything at once do not have this.
   * @param uid of the pod that is meant; undefined: whichever has the name.
   * @param signal gives the question up.
   */
  inquire?(namespace: string, name: string, uid: string | undefined, signal: AbortSignal): Promise<PodInquiry>;
  /** No update comes after this returns. Idempotent. */
  close(): Promise<void>;
}

/** One line for a log or a terminal, without the excerpt. */
export function formatProblem(problem: ObjectProblem): string {
  const { object, file, place, path, hint } = problem;
  const at = file === undefined ? '' : `${file}${place === undefined ? '' : `:${place.line}:${place.column}`}: `;
  const what = object === undefined ? '' : `${formatReference(object)}: `;
  return `${at}${problem.severity}: ${what}${path === '' ? '' : `${path}: `}${problem.message}${hint === '' ? '' : ` (${hint})`}`;
}

/** `NetworkPolicy shop/web`. */
export function formatReference(object: ObjectReference): string {
  const name = object.name === '' ? '(no name)' : object.name;
  return `${object.kind} ${object.namespace === '' ? '' : `${object.namespace}/`}${name}`;
}
