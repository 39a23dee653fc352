/** Where a client's flow to a Service goes: the answer of `sluice service trace`, for every family that both ends have. */
import { ConfigError } from '../../lib/errors.ts';
import { canonicalAddress } from '../../net/address.ts';
import { explainChoice, explainShares } from '../../service/explain.ts';
import { frontendOfView } from '../../service/frontend-view.ts';
import type { Protocol } from '../../service/model.ts';
import type { FrontendState } from '../../service/select.ts';
import { portText } from './service-view.ts';
import type { ClientPod, SeenFrontend, ServiceSource } from './service-source.ts';

export interface TraceTarget {
  /** `namespace/name`. */
  readonly service: string;
  /** Number or name; undefined: the Service has one port. */
  readonly port: string | undefined;
  /** Undefined: any that has the port. */
  readonly protocol: Protocol | undefined;
}

/** As printed with -o json; docs/output.md. */
export interface TraceStep {
  readonly client: string;
  readonly frontend: string;
  readonly protocol: Protocol;
  readonly state: FrontendState;
  /** address:port; null when nothing is reached, or the client's port is needed to say it. */
  readonly backend: string | null;
  readonly inForce: boolean | null;
  readonly why: readonly string[];
}

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

/** `[NAMESPACE/]NAME[:PORT][/PROTOCOL]`. @throws ConfigError */
export function readTraceTarget(text: string, namespace: string): TraceTarget {
  const match = /^(?:([a-z0-9-]+)\/)?([a-z0-9.-]+)(?::([a-z0-9-]+))?(?:\/([A-Za-z]+))?$/.exec(text);
  const [, given = namespace, name = '', port, word] = match ?? [];
  const protocol = PROTOCOLS.find((known) => known === word?.toUpperCase());
  if (match === null || (word !== undefined && protocol === undefined)) {
    throw new ConfigError(`--to ${JSON.stringify(text)}: write [NAMESPACE/]SERVICE:PORT, with /UDP or /SCTP behind it`);
  }
  return { service: `${given}/${name}`, port, protocol };
}

export interface TraceClient {
  readonly text: string;
  readonly addresses: readonly string[];
  readonly node: string;
}

/** An address, or `[NAMESPACE/]POD`. @throws ConfigError when there is no such client, or its flows are not Sluice's. */
export async function readTraceClient(text: string, source: ServiceSource): Promise<TraceClient> {
  const address = canonicalAddress(text);
  if (address !== undefined) return { text, addresses: [address], node: '' };
  const key = text.includes('/') ? text : `default/${text}`;
  const pod: ClientPod | undefined = await source.pod(key);
  if (pod === undefined) throw new ConfigError(`--from: there is no pod ${key}; a client may also be an address`);
  if (pod.hostNetwork) {
    throw new ConfigError(`--from: pod ${key} is on the host's network: kube-proxy translates what it sends`);
  }
  if (pod.addresses.length === 0) throw new ConfigError(`--from: pod ${key} has no address yet`);
  return { text: key, addresses: pod.addresses, node: pod.node };
}

/** @throws ConfigError when the Service or its port is not there. */
export function findFrontends(
  { service, port, protocol }: TraceTarget,
  all: readonly SeenFrontend[],
): readonly SeenFrontend[] {
  const own = all.filter((frontend) => frontend.service === service);
  if (own.length === 0) {
    throw new ConfigError(
      `Service ${service} has no frontend here: it does not exist, has no cluster IP, or is not ours`,
    );
  }
  const isAsked = (frontend: SeenFrontend): boolean =>
    (port === undefined || String(frontend.port) === port || frontend.portName === port) &&
    (protocol === undefined || frontend.protocol === protocol);
  const asked = own.filter(isAsked);
  const ports = new Set(asked.map((frontend) => `${frontend.port}/${frontend.protocol}`));
  if (ports.size === 1) return asked;
  const known = [...new Set(own.map((frontend) => `${frontend.port}/${frontend.protocol}`))].join(', ');
  if (ports.size === 0) throw new ConfigError(`Service ${service} has no such port; it has ${known}`);
  throw new ConfigError(`Service ${service} has several ports, say which: ${known}`);
}

/** sourcePort: undefined where it is not known beforehand. @throws ConfigError without a common family. */
export function traceFlow(
  client: TraceClient,
  frontends: readonly SeenFrontend[],
  sourcePort: number | undefined,
): readonly TraceStep[] {
  const steps = client.addresses.flatMap((source) =>
    frontends
      .filter((frontend) => frontend.address.includes(':') === source.includes(':'))
      .map((view) => traceOne(source, view, sourcePort)),
  );
  if (steps.length > 0) return steps;
  throw new ConfigError(`${client.text} has no address of the family of ${frontends.map(portText).join(', ')}`);
}

function traceOne(source: string, view: SeenFrontend, sourcePort: number | undefined): TraceStep {
  const frontend = frontendOfView(view);
  const { address, port, protocol, state, inForce } = view;
  const isDecided = sourcePort !== undefined || view.backends.length === 1;
  const { backend, why } =
    isDecided || view.state !== 'backends'
      ? explainChoice(frontend, { source, sourcePort: sourcePort ?? 0 })
      : { backend: undefined, why: explainShares(frontend) };
  const late = inForce === false ? ['not in force on this node yet'] : [];
  const end = (at: string, number: number): string => (at.includes(':') ? `[${at}]:${number}` : `${at}:${number}`);
  return {
    client: sourcePort === undefined ? source : end(source, sourcePort),
    frontend: end(address, port),
    protocol,
    state,
    backend: backend === undefined ? null : end(backend.address, backend.port),
    inForce,
    why: [...why, ...late],
  };
}
