/**
 * One Service and its slices -> its frontends on one node, and what is wrong with them. Which Services have frontends at
 * all is SVC-1; those of other proxies have frontends that lead nowhere here; node ports, load balancer addresses and external addresses are none in this release.
 */
import { type Candidate, type DuplicateCandidate, findCandidates } from './candidates.ts';
import type { FrontendDraft } from './frontend.ts';
import { formatKey, frontendKey, toAddress } from './key.ts';
import { FRONTEND_BACKENDS_MAX } from './limits.ts';
import type { EndpointSlice, NodeLocation, Service, ServicePort } from './model.ts';
import type { ServiceProblem } from './problem.ts';
import { type Selection, selectBackends } from './select.ts';

/** Nobody's backends: another proxy has its own. */
const ELSEWHERE: Selection = { state: 'elsewhere', chosen: [], health: 'ready', topology: 'everywhere' };

export interface DraftOptions {
  readonly location: NodeLocation;
  /** Value of the label service-proxy-name whose Services are served here; undefined: those without it only. */
  readonly proxyName: string | undefined;
}

export interface ServiceDraft {
  /** In the order of cluster IPs and ports. */
  readonly frontends: readonly FrontendDraft[];
  readonly problems: readonly ServiceProblem[];
}

/** SVC-1: Services whose label says so are somebody else's. What is sent to them must reach whoever that is. */
function isElsewhere(service: Service, proxyName: string | undefined): boolean {
  return service.headlessLabel || service.proxyName !== proxyName;
}

/** The slices are those of the Service, in order of name. */
export function draftService(
  service: Service,
  slices: readonly EndpointSlice[],
  { location, proxyName }: DraftOptions,
): ServiceDraft {
  if (service.type === 'ExternalName' || service.headless) return { frontends: [], problems: [] };
  const elsewhere = isElsewhere(service, proxyName);
  const problems = new Map<string, ServiceProblem>();
  const report = (problem: ServiceProblem): void => {
    const once = `${problem.kind} ${problem.name} ${problem.path} ${problem.message}`;
    if (!problems.has(once)) problems.set(once, problem);
  };
  const frontends = service.clusterIPs.flatMap((address) =>
    service.ports.map((port, index) =>
      draftFrontend({ service, slices, location, address, port, index, elsewhere, report }),
    ),
  );
  return { frontends, problems: [...problems.values()] };
}

interface FrontendInput {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
  readonly location: NodeLocation;
  readonly address: string;
  readonly port: ServicePort;
  /** Of the port in the Service. */
  readonly index: number;
  readonly elsewhere: boolean;
  readonly report: (problem: ServiceProblem) => void;
}

function draftFrontend(input: FrontendInput): FrontendDraft {
  const { service, slices, location, port } = input;
  const address = toAddress(input.address);
  const wanted = { family: address.family, name: port.name, protocol: port.protocol };
  const { list, duplicates } = findCandidates(slices, wanted, location.node);
  if (!input.elsewhere) reportDuplicates(input, duplicates);
  const selection =
    input.elsewhere || isTranslatedSctp(input, list)
      ? ELSEWHERE
      : withinLimit(input, selectBackends(list, service.internalTrafficPolicy, location));
  return {
    key: frontendKey(address, port.port, port.protocol),
    family: address.family,
    address: input.address,
    protocol: port.protocol,
    port: port.port,
    service: `${service.namespace}/${service.name}`,
    portName: port.name,
    affinityTimeoutSeconds: service.affinityTimeoutSeconds,
    trafficPolicy: service.internalTrafficPolicy,
    state: selection.state,
    health: selection.health,
    topology: selection.topology,
    candidates: list.length,
    backends: selection.chosen.map(toBackend),
  };
}

/** One problem a pair of slices, however many addresses they share. */
function reportDuplicates({ service, report }: FrontendInput, duplicates: readonly DuplicateCandidate[]): void {
  const groups = new Map<string, DuplicateCandidate[]>();
  for (const duplicate of duplicates) {
    const pair = `${duplicate.left.slice}/${duplicate.kept.slice}`;
    const group = groups.get(pair);
    if (group === undefined) groups.set(pair, [duplicate]);
    else group.push(duplicate);
  }
  for (const [first, ...rest] of groups.values()) {
    if (first === undefined) continue;
    const { kept, left } = first;
    const what = rest.length === 0 ? `${formatKey(left.key)} is` : `${formatKey(left.key)} and ${rest.length} more are`;
    report({
      kind: 'EndpointSlice',
      namespace: service.namespace,
      name: left.slice,
      path: 'endpoints',
      message: `${what} in ${kept.slice === left.slice ? 'it more than once' : `slice ${kept.slice}, too`}: each counts once`,
      severity: 'warning',
    });
  }
}

function toBackend({ key, port, endpoint }: Candidate): FrontendDraft['backends'][number] {
  const { address, nodeName: node, zone, ready, serving, terminating } = endpoint;
  return { key, address, port, node, zone, ready, serving, terminating };
}

/** SCTP's checksum covers the ports and cannot be mended in the kernel's hooks: only the address may be translated. */
function isTranslatedSctp(input: FrontendInput, candidates: readonly Candidate[]): boolean {
  const { port } = input;
  if (port.protocol !== 'SCTP') return false;
  const other = candidates.find((candidate) => candidate.port !== port.port);
  if (other === undefined) return false;
  reportPort(
    input,
    `SCTP port ${port.port} cannot lead to another port of a pod (${formatKey(other.key)}): it is left to kube-proxy, and policies judge the cluster IP`,
    'give port and targetPort the same number',
    'warning',
  );
  return true;
}

function withinLimit(input: FrontendInput, selection: Selection): Selection {
  const count = selection.chosen.length;
  if (count <= FRONTEND_BACKENDS_MAX) return selection;
  const limit = `FRONTEND_BACKENDS_MAX, ${FRONTEND_BACKENDS_MAX}`;
  reportPort(
    input,
    `has ${count} backends; with more than ${limit}, what is sent to it is dropped`,
    'divide the Service',
  );
  return { ...selection, state: 'drop', chosen: [] };
}

function reportPort(
  { service, index, report }: FrontendInput,
  message: string,
  hint: string,
  severity: ServiceProblem['severity'] = 'error',
): void {
  const { namespace, name } = service;
  report({ kind: 'Service', namespace, name, path: `spec.ports[${index}]`, message, hint, severity });
}
