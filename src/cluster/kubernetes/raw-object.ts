/** The few fields that list and watch themselves need; what an object says is for its reader. */
import { objectKey } from '../snapshot.ts';
import { ApiError } from './api-error.ts';
import { parseJson } from './api-client.ts';

/** Which object it is, and which version of it. */
export interface Identity {
  /** As in ClusterChange. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Another one: another object of the same name. */
  readonly uid: string;
  /** Opaque: equal or not, and no more. */
  readonly resourceVersion: string;
  /** Counts the changes of what was asked for; 0 for kinds that have none. */
  readonly generation: number;
}

export interface ListPage {
  readonly items: readonly unknown[];
  readonly resourceVersion: string;
  /** Empty on the last page. */
  readonly continue: string;
}

type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

export interface WatchEvent {
  readonly type: WatchEventType;
  readonly object: unknown;
}

const EVENT_TYPES: readonly WatchEventType[] = ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'];

/** @throws ApiError `protocol` when it is no list. */
export function readPage(raw: unknown): ListPage {
  const { items, metadata } = fieldsOf(raw);
  const { resourceVersion, continue: token } = fieldsOf(metadata);
  // A list of nothing may come as null.
  const list: unknown = items ?? [];
  if (!Array.isArray(list) || typeof resourceVersion !== 'string' || resourceVersion === '') {
    throw new ApiError('protocol', 'the API server answered with what is no list with a resourceVersion');
  }
  return { items: list, resourceVersion, continue: typeof token === 'string' ? token : '' };
}

/** @throws ApiError `protocol` when it is no event. */
export function readEvent(line: string): WatchEvent {
  const { type, object } = fieldsOf(parseJson(line));
  const known = EVENT_TYPES.find((name) => name === type);
  if (known === undefined) throw new ApiError('protocol', `the watch brought an event of type ${JSON.stringify(type)}`);
  return { type: known, object };
}

/** @throws ApiError `protocol` when it has none. */
export function resourceVersionOf(raw: unknown): string {
  const { resourceVersion } = fieldsOf(fieldsOf(raw)['metadata']);
  if (typeof resourceVersion === 'string' && resourceVersion !== '') return resourceVersion;
  throw new ApiError('protocol', 'the API server sent an object without metadata.resourceVersion');
}

/** @throws ApiError `protocol` when it cannot be said which object it is. */
export function identityOf(raw: unknown, namespaced: boolean): Identity {
  const { namespace, name, uid, generation } = fieldsOf(fieldsOf(raw)['metadata']);
  const resourceVersion = resourceVersionOf(raw);
  const space = namespaced ? namespace : '';
  if (typeof name !== 'string' || name === '' || typeof space !== 'string' || (namespaced && space === '')) {
    throw new ApiError('protocol', 'the API server sent an object without metadata.name or metadata.namespace');
  }
  const key = namespaced ? objectKey(space, name) : name;
  return {
    key,
    namespace: space,
    name,
    uid: typeof uid === 'string' ? uid : '',
    resourceVersion,
    generation: typeof generation === 'number' ? generation : 0,
  };
}

function fieldsOf(raw: unknown): Readonly<Record<string, unknown>> {
  return typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {};
}
