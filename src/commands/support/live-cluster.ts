/**
 * A live cluster as the input of a dry run: `--cluster`, and the word `cluster` where a command takes a file. It is read
 * once, with the credentials of a kubeconfig, and nothing is written.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../../cluster/kubernetes/api-client.ts';
import { HttpTransport } from '../../cluster/kubernetes/http-transport.ts';
import { type KubeConfigChoice, loadKubeCredentials } from '../../cluster/kubernetes/kube-credentials.ts';
import type { GivenObjects } from '../../cluster/manifests/load-cluster.ts';
import type { RawFields, RawObject } from '../../cluster/manifests/parse-manifest.ts';
import { type ManifestContent, readParsed } from '../../cluster/manifests/read-manifest.ts';
import { systemClock } from '../../lib/clock.ts';
import { isRecord } from '../../policy/validate-place.ts';
import { type ListedType, type ListOptions, listedTypes, listType } from './live-list.ts';

/** Which cluster, as the command line has it. */
export interface LiveChoice {
  /** @default current-context */
  readonly context?: string;
  /** @default $KUBECONFIG, ~/.kube/config, the pod's service account */
  readonly kubeconfig?: string;
}

const WORD = 'cluster';

/** `cluster` or `cluster:CONTEXT`; undefined: the text is a path. A folder of that name is written `./cluster`. */
export function readLiveWord(text: string, kubeconfig: string | undefined): LiveChoice | undefined {
  if (text !== WORD && !text.startsWith(`${WORD}:`)) return undefined;
  const context = text.slice(WORD.length + 1);
  return { ...(context !== '' && { context }), ...(kubeconfig !== undefined && { kubeconfig }) };
}

/** @throws ConfigError when the kubeconfig cannot be used, or the cluster cannot be read. */
export async function loadLiveCluster(choice: LiveChoice): Promise<GivenObjects> {
  const { context, kubeconfig } = choice;
  const chosen: KubeConfigChoice =
    kubeconfig === undefined
      ? { kind: 'default', ...(context !== undefined && { context }) }
      : { kind: 'file', path: kubeconfig, ...(context !== undefined && { context }) };
  const transport = new HttpTransport(await loadKubeCredentials(chosen));
  try {
    const name = context === undefined ? WORD : `${WORD}:${context}`;
    return await listAll(name, new ApiClient(transport, systemClock));
  } finally {
    transport.close();
  }
}

async function listAll(name: string, client: ApiClient): Promise<GivenObjects> {
  const never = new AbortController().signal;
  const options: ListOptions = { client, signal: never, delay: async (ms) => await sleep(ms) };
  const contents: ManifestContent[] = [];
  const raws: RawObject[] = [];
  const missing = new Set<string>();
  for (const type of listedTypes()) {
    const listed = await listType(type, (items) => readItems(name, type, items), options);
    if ('missing' in listed) missing.add(listed.missing);
    else
      for (const page of listed.pages) {
        contents.push(page.content);
        for (const raw of page.raws) raws.push(raw);
      }
  }
  const content: ManifestContent = {
    objects: contents.flatMap(({ objects }) => objects),
    problems: contents.flatMap(({ problems }) => problems),
    foreignKinds: [],
    complete: true,
    unread: [],
  };
  return { name, content, raws, notes: [...missing] };
}

interface ReadItems {
  readonly content: ManifestContent;
  readonly raws: readonly RawObject[];
}

const NOWHERE = (): undefined => undefined;

/** Of what was read only the slim objects are kept, and what the dry run looks up in the raw ones. */
function readItems(name: string, { kind, apiVersion, missing }: ListedType, items: readonly unknown[]): ReadItems {
  const raws = items.filter(isRecord).map((item): RawObject => {
    const metadata = isRecord(item['metadata']) ? item['metadata'] : {};
    const reference = { apiVersion, kind, namespace: textOf(metadata['namespace']), name: textOf(metadata['name']) };
    return { reference, fields: { ...item, apiVersion, kind }, place: NOWHERE };
  });
  const isWorkload = missing !== undefined && kind !== 'Node' && kind !== 'Service';
  const read = readParsed(name, { objects: isWorkload ? [] : raws, problems: [], complete: true });
  const isAsked = kind.endsWith('NetworkPolicy') || kind === 'Service';
  const slim = isAsked ? raws : raws.map((raw) => ({ ...raw, fields: ownersOnly(raw.fields) }));
  return { content: read, raws: slim };
}

function ownersOnly(fields: RawFields): RawFields {
  const metadata = isRecord(fields['metadata']) ? fields['metadata'] : {};
  return { metadata: { ownerReferences: metadata['ownerReferences'] } };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
