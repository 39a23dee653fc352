import { ApiError } from './api-error.ts';
import type { ApiClient } from './api-client.ts';

/**
 * Whether the server itself says that it does not serve the type. A 404 alone proves nothing: something on the way may
 * have given it, and taking it for "there are none" would lift policies.
 *
 * @param path as in Resource, below /apis.
 * @throws ApiError when it cannot be found out.
 */
export async function isNotServed(client: ApiClient, path: string, signal: AbortSignal): Promise<boolean> {
  const [, , group = '', version = '', plural = ''] = path.split('/');
  const resources = await listOf(client, `/apis/${group}/${version}`, 'resources', signal);
  if (resources !== undefined) return !namesOf(resources).includes(plural);
  const groups = await listOf(client, '/apis', 'groups', signal);
  if (groups === undefined) throw new ApiError('protocol', 'the API server does not say which types it serves');
  const found = groups.find((entry) => entry.name === group);
  if (found === undefined) return true;
  const versions: readonly unknown[] = Array.isArray(found.versions) ? found.versions : [];
  return !versions.some((entry) => (entry as { version?: unknown } | null)?.version === version);
}

interface Discovered {
  readonly name?: unknown;
  readonly versions?: unknown;
}

/** Undefined: 404. */
async function listOf(
  client: ApiClient,
  path: string,
  field: 'groups' | 'resources',
  signal: AbortSignal,
): Promise<readonly Discovered[] | undefined> {
  try {
    const answer = (await client.json(path, {}, signal)) as Readonly<Record<string, unknown>> | null;
    const list = answer?.[field];
    if (Array.isArray(list)) return list.filter((entry) => typeof entry === 'object' && entry !== null);
    throw new ApiError('protocol', `${path} of the API server has no list of ${field}`);
  } catch (error) {
    if (error instanceof ApiError && error.kind === 'absent') return undefined;
    throw error;
  }
}

function namesOf(entries: readonly Discovered[]): readonly unknown[] {
  return entries.map(({ name }) => name);
}
