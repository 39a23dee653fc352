/** One consistent list of every type of object that a dry run reads from an API server. Reads only, and watches nothing. */
import type { ApiClient } from '../../cluster/kubernetes/api-client.ts';
import { ApiError, type ApiErrorKind } from '../../cluster/kubernetes/api-error.ts';
import { LIST_PAGES_MAX, PAGE_ITEMS } from '../../cluster/kubernetes/limits.ts';
import { type ListPage, readPage } from '../../cluster/kubernetes/raw-object.ts';
import { knownResources } from '../../cluster/kubernetes/resource.ts';
import { ConfigError, errorMessage } from '../../lib/errors.ts';

export interface ListedType {
  readonly kind: string;
  readonly apiVersion: string;
  /** `pods`. */
  readonly plural: string;
  /** Absolute, of all namespaces. */
  readonly path: string;
  /** What cannot be said without it; undefined: nothing could be answered truly. */
  readonly missing: string | undefined;
  /** It comes with a CustomResourceDefinition that may not be there. */
  readonly optional: boolean;
}

/** Before a failed request is made again, and again. */
const RETRY_DELAYS_MS = [500, 2_000];
/** What may be over in a moment. */
const PASSING: ReadonlySet<ApiErrorKind> = new Set(['network', 'throttled', 'server', 'gone', 'unauthorized']);

/** What nobody needs a permission for to get an answer that is true as far as it goes. */
const DISPENSABLE: Readonly<Record<string, string>> = {
  Node: 'addresses of nodes and their podCIDRs are not known',
  Service: 'lint does not compare with Services',
};
const WORKLOADS_MISSING = 'workloads are not known by name';

/** In the order in which they are listed: what policies are about before the policies. */
export function listedTypes(): readonly ListedType[] {
  const known = knownResources()
    .filter(({ kind }) => kind !== 'EndpointSlice')
    .map(({ kind, apiVersion, path, optional }): ListedType => {
      return { kind, apiVersion, plural: pluralOf(path), path, missing: DISPENSABLE[kind], optional };
    });
  const workload = (apiVersion: string, kind: string): ListedType => {
    const plural = `${kind.toLowerCase()}s`;
    const root = apiVersion.includes('/') ? '/apis' : '/api';
    const path = `${root}/${apiVersion}/${plural}`;
    return { kind, apiVersion, plural, path, missing: WORKLOADS_MISSING, optional: true };
  };
  return [
    ...known,
    ...['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet'].map((kind) => workload('apps/v1', kind)),
    ...['Job', 'CronJob'].map((kind) => workload('batch/v1', kind)),
    workload('v1', 'ReplicationController'),
  ];
}

function pluralOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export interface ListOptions {
  readonly client: ApiClient;
  readonly signal: AbortSignal;
  /** Waits that long; throws when the signal ends it. */
  readonly delay: (ms: number) => Promise<void>;
}

/**
 * Everything of one type as it was at one moment, page by page through `keep`; the server answers the pages of a list from
 * one version. Undefined: the server does not have the type, or may not tell, and it can be done without.
 * @throws ConfigError when it cannot be listed and must be.
 */
export async function listType<T>(
  type: ListedType,
  keep: (items: readonly unknown[]) => T,
  options: ListOptions,
): Promise<{ readonly pages: readonly T[] } | { readonly missing: string }> {
  for (let attempt = 0; ; attempt++) {
    try {
      return { pages: await listOnce(type, keep, options) };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.kind === 'absent' && type.optional) return { pages: [] };
      if (error.kind === 'forbidden' && type.missing !== undefined)
        return { missing: `${type.plural} may not be listed, so ${type.missing}` };
      const delayMs = RETRY_DELAYS_MS[attempt];
      if (delayMs === undefined || !PASSING.has(error.kind)) throw failure(type, error);
      if (error.kind === 'unauthorized') options.client.renewCredentials();
      await options.delay(Math.max(delayMs, error.retryAfterMs));
    }
  }
}

async function listOnce<T>(
  { path, plural }: ListedType,
  keep: (items: readonly unknown[]) => T,
  { client, signal }: ListOptions,
): Promise<readonly T[]> {
  const kept: T[] = [];
  let more: Readonly<Record<string, string>> = {};
  for (let pages = 0; pages < LIST_PAGES_MAX; pages++) {
    const page: ListPage = readPage(await client.json(path, { limit: String(PAGE_ITEMS), ...more }, signal));
    kept.push(keep(page.items));
    if (page.continue === '') return kept;
    more = { continue: page.continue };
  }
  throw new ApiError('protocol', `the list of ${plural} has more than LIST_PAGES_MAX, ${LIST_PAGES_MAX}, pages`);
}

function failure({ plural, apiVersion }: ListedType, error: ApiError): ConfigError {
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : '';
  return new ConfigError(`${plural} cannot be listed: ${errorMessage(error)}${hintOf(`${plural}${group}`, error)}`, {
    cause: error,
  });
}

function hintOf(resource: string, { kind }: ApiError): string {
  if (kind === 'forbidden') return `; --cluster needs "list" on ${resource} in all namespaces`;
  if (kind === 'unauthorized') return '; the credentials of the kubeconfig are not accepted: log in again';
  return kind === 'network' || kind === 'stalled'
    ? '; is it the right --context, and can it be reached from here?'
    : '';
}
