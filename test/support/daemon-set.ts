/** The parts of deploy/'s DaemonSets that tests look at. */
import type { KubernetesObject } from './kubernetes-objects.ts';

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly valueFrom: { readonly fieldRef: { readonly fieldPath: string } };
  }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: {
    readonly privileged?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities?: { readonly drop: readonly string[]; readonly add?: readonly string[] };
  };
  readonly resources: Readonly<Record<string, object>>;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly mountPropagation?: string;
    readonly readOnly?: boolean;
  }[];
}

export interface DaemonSet extends KubernetesObject {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly updateStrategy?: { readonly rollingUpdate: object };
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly hostNetwork: boolean;
        readonly hostPID: boolean;
        readonly automountServiceAccountToken?: boolean;
        readonly priorityClassName: string;
        readonly tolerations: readonly object[];
        readonly initContainers: readonly Container[];
        readonly containers: readonly Container[];
        readonly volumes: readonly {
          readonly name: string;
          readonly hostPath?: { readonly path: string; readonly type?: string };
        }[];
      };
    };
  };
}

/** @throws Error when there is not exactly one. */
export function daemonSetOf(objects: readonly KubernetesObject[]): DaemonSet {
  const found = objects.filter(({ kind }) => kind === 'DaemonSet');
  if (found.length !== 1 || found[0] === undefined)
    throw new Error(`${found.length} DaemonSets where one was expected`);
  return found[0] as DaemonSet;
}
