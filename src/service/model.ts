/**
 * Services and EndpointSlices, slim and already defaulted: what `cluster/` keeps and the resolver takes. Field names are
 * Kubernetes' own. `validate-service.ts` and `validate-endpoint-slice.ts` make these from raw objects. Addresses are
 * canonical text.
 */

export type Protocol = 'TCP' | 'UDP' | 'SCTP';
export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
export type TrafficPolicy = 'Cluster' | 'Local';

export interface ServicePort {
  /** Empty: the one port of a Service may go without a name. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly type: ServiceType;
  /** clusterIP: None. */
  readonly headless: boolean;
  /** At most one a family (SVC-7). Empty for headless ones and before an address was given. */
  readonly clusterIPs: readonly string[];
  readonly ports: readonly ServicePort[];
  /** sessionAffinity ClientIP: its timeout. 0: sessionAffinity None. */
  readonly affinityTimeoutSeconds: number;
  readonly internalTrafficPolicy: TrafficPolicy;
  /** Empty when not given. It steers who writes hints; only the hints count here (SVC-22). */
  readonly trafficDistribution: string;
  /** Likewise steers who writes the ready conditions (SVC-35). */
  readonly publishNotReadyAddresses: boolean;
  /** Value of the label service.kubernetes.io/service-proxy-name; undefined without it. */
  readonly proxyName?: string;
  /** Has the label service.kubernetes.io/headless. */
  readonly headlessLabel: boolean;
}

export interface SlicePort {
  /** Empty for an unnamed port. */
  readonly name: string;
  readonly protocol: Protocol;
  /** Of the pod: targetPort is resolved by who writes the slice (SVC-4). */
  readonly port: number;
}

/** One of EndpointSlice.endpoints; not to be taken for an endpoint, which is a local pod's interface. */
export interface SliceEndpoint {
  /** addresses[0] (SVC-2). */
  readonly address: string;
  /** Conditions as SVC-3 reads absent ones. */
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Empty when not given. */
  readonly nodeName: string;
  /** Empty when not given. */
  readonly zone: string;
  /** hints.forNodes and hints.forZones by name; empty: no such hint. */
  readonly forNodes: readonly string[];
  readonly forZones: readonly string[];
}

export interface EndpointSlice {
  readonly namespace: string;
  readonly name: string;
  /** Value of the label kubernetes.io/service-name. Empty: it belongs to no Service. */
  readonly serviceName: string;
  /** Has the label service.kubernetes.io/headless. */
  readonly headlessLabel: boolean;
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

/** One change of the desired state. Keys are `namespace/name`. */
export type ServiceChange =
  | { readonly kind: 'Service'; readonly op: 'set'; readonly object: Service }
  | { readonly kind: 'EndpointSlice'; readonly op: 'set'; readonly object: EndpointSlice }
  | { readonly kind: 'Service' | 'EndpointSlice'; readonly op: 'delete'; readonly key: string };

/** The node for which backends are chosen. */
export interface NodeLocation {
  readonly node: string;
  /** Its label topology.kubernetes.io/zone; empty without one: zones are not looked at (SVC-22). */
  readonly zone: string;
}
