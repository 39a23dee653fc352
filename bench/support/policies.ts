/**
 * Policies as a node has them: 100 apps, each isolated by 10 policies of its own, each of which admits its own two clients
 * on a port of its own. The same list becomes manifests for Sluice and ipset + iptables rules for the reference.
 */
import type { ManifestObject } from '../../test/support/manifest-folder.ts';

export const NAMESPACE = 'bench';
const APPS = 100;
const POLICIES_PER_APP = 10;
const CLIENTS_PER_POLICY = 2;

/** The measured pods: a policy in the middle of the list admits the client to the server. */
export const SERVER_APP = 50;
const ADMITTING_POLICY = SERVER_APP * POLICIES_PER_APP + 5;
export const SERVER_LABELS: Readonly<Record<string, string>> = { app: `app-${SERVER_APP}` };
export const CLIENT_LABELS: Readonly<Record<string, string>> = { client: `client-${ADMITTING_POLICY}` };

export interface AppPolicy {
  readonly name: string;
  readonly app: number;
  readonly firstPort: number;
  readonly lastPort: number;
  /** Addresses of pods that run somewhere else. */
  readonly clients: readonly string[];
  /** It is the one that admits the measured client. */
  readonly admits: boolean;
}

/** The server listens on both ports of the policy that admits the client. */
export const SERVER_PORT = 5000;

export function appPolicies(): readonly AppPolicy[] {
  return Array.from({ length: APPS * POLICIES_PER_APP }, (_, index) => {
    const admits = index === ADMITTING_POLICY;
    const port = admits ? SERVER_PORT : 6000 + index;
    const clients = Array.from({ length: CLIENTS_PER_POLICY }, (_unused, number) => clientAddress(index, number));
    const app = Math.floor(index / POLICIES_PER_APP);
    return { name: `policy-${index}`, app, firstPort: port, lastPort: admits ? port + 1 : port, clients, admits };
  });
}

function clientAddress(policy: number, number: number): string {
  const index = policy * CLIENTS_PER_POLICY + number;
  return `10.250.${Math.floor(index / 250)}.${(index % 250) + 1}`;
}

/** The policies and the pods they admit, as one List. */
export function policyManifests(policies: readonly AppPolicy[]): object {
  const items = policies.flatMap((policy, index) => [
    policyManifest(policy, index),
    ...policy.clients.map((address, number) => clientManifest(index, number, address)),
  ]);
  return { apiVersion: 'v1', kind: 'List', items };
}

function policyManifest({ name, app, firstPort, lastPort }: AppPolicy, index: number): ManifestObject {
  const peer = { podSelector: { matchLabels: { client: `client-${index}` } } };
  const port = { protocol: 'TCP', port: firstPort, ...(lastPort > firstPort && { endPort: lastPort }) };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: NAMESPACE, name },
    spec: {
      podSelector: { matchLabels: { app: `app-${app}` } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [peer], ports: [port] }],
    },
  };
}

function clientManifest(policy: number, number: number, address: string): ManifestObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: NAMESPACE,
      name: `client-${policy}-${number}`,
      uid: `client-${policy}-${number}`,
      labels: { client: `client-${policy}` },
    },
    spec: { nodeName: 'elsewhere', containers: [{ name: 'client', image: 'client' }] },
    status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] },
  };
}
