/** Where the desired state comes from, as it was chosen. */
import { ApiClient } from '../cluster/kubernetes/api-client.ts';
import { KubernetesSource } from '../cluster/kubernetes/kubernetes-source.ts';
import { HttpTransport } from '../cluster/kubernetes/http-transport.ts';
import { type KubeConfigChoice, loadKubeCredentials } from '../cluster/kubernetes/kube-credentials.ts';
import { ManifestSource } from '../cluster/manifests/manifest-source.ts';
import { ScanFault, scanFolder } from '../cluster/manifests/scan-folder.ts';
import type { ClusterSource } from '../cluster/source.ts';
import type { Clock } from '../lib/clock.ts';
import { ConfigError } from '../lib/errors.ts';
import type { Pod } from '../policy/model.ts';

export type SourceChoice =
  | {
      readonly kind: 'manifests';
      /** Absolute path. */
      readonly folder: string;
    }
  | { readonly kind: 'kubernetes'; readonly config: KubeConfigChoice };

export interface OpenedSource {
  readonly source: ClusterSource;
  /** The same source as what it is, and the way to its server beside the watches. */
  readonly kubernetes: { readonly source: KubernetesSource; readonly client: ApiClient } | undefined;
}

/**
 * Looks at the folder or the credentials, so that a wrong one is found out before anything is made; a server is not asked.
 * @param isLocal whether the pod has an endpoint on this node.
 * @throws ConfigError
 */
export async function openSource(
  choice: SourceChoice,
  clock: Clock,
  isLocal: (pod: Pod) => boolean,
): Promise<OpenedSource> {
  if (choice.kind === 'manifests') {
    await requireFolder(choice.folder);
    return { source: new ManifestSource({ folder: choice.folder, clock }), kubernetes: undefined };
  }
  const transport = new HttpTransport(await loadKubeCredentials(choice.config));
  const source = new KubernetesSource({ transport, clock, random: Math.random, isLocal });
  return { source, kubernetes: { source, client: new ApiClient(transport, clock) } };
}

async function requireFolder(folder: string): Promise<void> {
  try {
    await scanFolder(folder);
  } catch (error) {
    if (error instanceof ScanFault) throw new ConfigError(`--source: ${error.message}`, { cause: error });
    throw error;
  }
}
