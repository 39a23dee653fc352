/** core/v1 Pod: what policy needs of it (NP-27, NP-49, NP-120, NP-123, NP-125). */
import type { NamedPort, Pod } from './model.ts';
import { type Read, Report } from './problem.ts';
import { readAddress } from './validate-address.ts';
import { type Metadata, POD, readMetadata } from './validate-metadata.ts';
import { faultOfPortName } from './validate-name.ts';
import {
  type Place,
  expectObject,
  field,
  quote,
  readBoolean,
  readList,
  readPortNumber,
  readString,
} from './validate-place.ts';
import { readProtocol } from './validate-port.ts';

const PHASES = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'];
const TERMINAL_PHASES = ['Succeeded', 'Failed'];
/** Set by the kubelet on the API's image of a static pod; the runtime knows the pod by its config.hash instead. */
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
const STATIC_UID_ANNOTATION = 'kubernetes.io/config.hash';

/** Undefined object when anything in it is wrong: a pod that is not known for certain is closed and matches nothing. */
export function readPod(raw: unknown): Read<Pod> {
  const report = new Report();
  const root: Place = { path: '', value: raw, report };
  const metadata = readMetadata(root, POD);
  if (metadata === undefined) return { object: undefined, problems: report.problems() };
  const spec = objectField(root, 'spec');
  const status = objectField(root, 'status');
  const phase = readPhase(field(status, 'phase'));
  const object: Pod = {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: runtimeUid(metadata),
    nodeName: readString(field(spec, 'nodeName')) ?? '',
    labels: metadata.labels,
    podIPs: readPodIPs(status),
    hostNetwork: readBoolean(field(spec, 'hostNetwork')) ?? false,
    terminal: phase !== undefined && TERMINAL_PHASES.includes(phase),
    namedPorts: readNamedPorts(spec),
  };
  return { object: report.errors === 0 ? object : undefined, problems: report.problems() };
}

function objectField(root: Place, name: string): Place | undefined {
  const place = field(root, name);
  return place !== undefined && expectObject(place) ? place : undefined;
}

/** The uid that the runtime passes to the network plugin. */
function runtimeUid(metadata: Metadata): string {
  const { annotations } = metadata;
  return (annotations[MIRROR_ANNOTATION] && annotations[STATIC_UID_ANNOTATION]) || metadata.uid;
}

function readPhase(place: Place | undefined): string | undefined {
  const phase = readString(place);
  if (place !== undefined && isSet(place) && phase !== undefined && !PHASES.includes(phase)) {
    place.report.error(place.path, `${quote(phase)} is none of ${PHASES.join(', ')}`);
  }
  return phase;
}

/** status.podIPs; podIP alone stands for them where they are not given (NP-123). */
function readPodIPs(status: Place | undefined): readonly string[] {
  const listed = readList(field(status, 'podIPs')).map((item) => {
    const ip = expectObject(item) ? field(item, 'ip') : undefined;
    return ip && isSet(ip) ? readAddress(ip) : undefined;
  });
  const podIP = field(status, 'podIP');
  const single = podIP && isSet(podIP) ? readAddress(podIP) : undefined;
  const known = listed.filter((address) => address !== undefined);
  if (known.length > 0) return [...new Set(known)];
  return single === undefined ? [] : [single];
}

/** What is not known yet may be written as an empty string, too. */
function isSet(place: Place): boolean {
  return place.value !== '';
}

/**
 * Candidates of NP-49, in order: the ports of containers, then those of sidecars (init containers that keep running).
 * Several with one name and protocol are all kept.
 */
function readNamedPorts(spec: Place | undefined): readonly NamedPort[] {
  const containers = readList(field(spec, 'containers')).flatMap(readContainerPorts);
  const sidecars = readList(field(spec, 'initContainers'))
    .map((place) => ({ place, ports: readContainerPorts(place) }))
    .filter(({ place }) => readString(field(place, 'restartPolicy')) === 'Always')
    .flatMap(({ ports }) => ports);
  return [...containers, ...sidecars];
}

function readContainerPorts(container: Place): readonly NamedPort[] {
  if (!expectObject(container)) return [];
  return readList(field(container, 'ports'))
    .map(readContainerPort)
    .filter((port) => port !== undefined);
}

function readContainerPort(place: Place): NamedPort | undefined {
  if (!expectObject(place)) return undefined;
  const protocol = readProtocol(field(place, 'protocol'));
  const at = field(place, 'containerPort');
  if (at === undefined) place.report.error(`${place.path}.containerPort`, 'is missing');
  const containerPort = at && readPortNumber(at);
  const name = readString(field(place, 'name'));
  if (name === undefined || name === '') return undefined;
  const fault = faultOfPortName(name);
  if (fault !== undefined) place.report.error(`${place.path}.name`, `${quote(name)} ${fault}`);
  if (fault !== undefined || protocol === undefined || containerPort === undefined) return undefined;
  return { name, protocol, containerPort };
}
