/** What the source asks of the API server's authorization: reading, and no more. */
import { knownResources } from './resource.ts';

export interface Access {
  /** Empty: the core group. */
  readonly apiGroup: string;
  /** Plural, in all namespaces. */
  readonly resource: string;
  readonly verbs: readonly ('get' | 'list' | 'watch')[];
}

/** get: a pod is asked for by name when the watch lags (pod-query.ts). */
export function readAccess(): readonly Access[] {
  return knownResources().map(({ kind, path }) => {
    const [, root, group = ''] = path.split('/');
    return {
      apiGroup: root === 'apis' ? group : '',
      resource: path.slice(path.lastIndexOf('/') + 1),
      verbs: kind === 'Pod' ? ['get', 'list', 'watch'] : ['list', 'watch'],
    };
  });
}
