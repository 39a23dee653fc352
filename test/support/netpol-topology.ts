/**
 * What the vectors of netpol-vectors.ts are run on and are made of: namespaces x, y, z; in each the pods a, b, c with
 * the label `pod` and one container port for each of TCP and UDP and 80 and 81, named `serve-80-tcp` and so on.
 */

export type VectorNamespace = 'x' | 'y' | 'z';
export type VectorPodName = 'a' | 'b' | 'c';
/** `x/a`. */
export type VectorPod = `${VectorNamespace}/${VectorPodName}`;

/**
 * Where the vectors are run. Addresses are of one family; IPv4 ones lie in one /4, IPv6 ones in one /16 (E35, E36), and
 * none is shared.
 */
export interface VectorWorld {
  readonly family: 4 | 6;
  /** Canonical text. */
  address(pod: VectorPod): string;
}

/** A raw Kubernetes object. */
export type RawObject = Readonly<Record<string, unknown>>;

export type VectorChange =
  /** Creates or replaces. */
  | { readonly op: 'apply'; readonly policy: RawObject }
  | { readonly op: 'delete'; readonly namespace: VectorNamespace; readonly name: string }
  /** Adds the labels. */
  | { readonly op: 'labelPod'; readonly pod: VectorPod; readonly labels: Readonly<Record<string, string>> }
  | {
      readonly op: 'labelNamespace';
      readonly namespace: VectorNamespace;
      readonly labels: Readonly<Record<string, string>>;
    };

export interface VectorProbe {
  readonly protocol: 'TCP' | 'UDP';
  readonly port: 80 | 81;
  readonly reaches: (source: VectorPod, destination: VectorPod) => boolean;
}

export interface VectorStep {
  readonly changes: readonly VectorChange[];
  readonly probes: readonly VectorProbe[];
}

export interface Vector {
  /** Row of semantics, `E1`. */
  readonly id: string;
  readonly title: string;
  readonly steps: (world: VectorWorld) => readonly VectorStep[];
}

export const VECTOR_NAMESPACES: readonly VectorNamespace[] = ['x', 'y', 'z'];
export const VECTOR_PODS: readonly VectorPod[] = VECTOR_NAMESPACES.flatMap((namespace) =>
  (['a', 'b', 'c'] as const).map((pod): VectorPod => `${namespace}/${pod}`),
);
export const VECTOR_PORTS: readonly { readonly protocol: 'TCP' | 'UDP'; readonly port: 80 | 81 }[] = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'TCP', port: 81 },
  { protocol: 'UDP', port: 80 },
  { protocol: 'UDP', port: 81 },
];

/** v1 Namespace, with labels added by `labelNamespace`. */
export function vectorNamespaceObject(namespace: VectorNamespace, labels: Readonly<Record<string, string>>): RawObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } };
}

/** A running v1 Pod, with labels added by `labelPod`. */
export function vectorPodObject(
  pod: VectorPod,
  labels: Readonly<Record<string, string>>,
  nodeName: string,
  podIPs: readonly string[],
): RawObject {
  const [namespace, name] = pod.split('/');
  const containers = VECTOR_PORTS.map(({ protocol, port }) => {
    const portName = `serve-${port}-${protocol.toLowerCase()}`;
    return {
      name: `cont-${port}-${protocol.toLowerCase()}`,
      ports: [{ name: portName, containerPort: port, protocol }],
    };
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, uid: `uid-${namespace}-${name}`, labels: { pod: name, ...labels } },
    spec: { nodeName, containers },
    status: { phase: 'Running', podIP: podIPs[0] ?? '', podIPs: podIPs.map((ip) => ({ ip })) },
  };
}
