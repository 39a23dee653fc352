/** Frontends and their backends as tables for a person. */
import { formatEnd } from '../../service/key.ts';
import type { BackendView, FrontendView } from '../../service/frontend-view.ts';
import { count, formatTable, paint } from './output.ts';
import type { SeenFrontend } from './service-source.ts';

export function formatServiceList(frontends: readonly SeenFrontend[]): string {
  if (frontends.length === 0) return 'no Service has a cluster IP here';
  const rows = frontends.map((frontend) => [
    frontend.service,
    portText(frontend),
    stateText(frontend),
    affinityText(frontend),
    leadText(frontend),
  ]);
  return formatTable([['SERVICE', 'FRONTEND', 'STATE', 'AFFINITY', 'BACKENDS'], ...rows]);
}

export function formatFrontend(frontend: SeenFrontend): string {
  const head = `${paint('bold', portText(frontend))}  ${stateText(frontend)}`;
  const facts = [
    `endpoints ${frontend.endpoints}, backends ${frontend.backends.length}, slots ${frontend.slots}`,
    `traffic policy ${frontend.trafficPolicy}`,
    ...(frontend.topology === 'everywhere' ? [] : [`hints: ${frontend.topology}`]),
    ...(frontend.affinitySeconds === 0 ? [] : [`session affinity ${affinityText(frontend)}`]),
  ];
  if (frontend.backends.length === 0) return `${head}\n  ${facts.join('; ')}`;
  const rows = frontend.backends.map((backend) => [
    formatEnd(backend.address, backend.port),
    conditionText(backend),
    backend.node || '-',
    backend.zone || '-',
    shareText(backend, frontend),
  ]);
  const table = formatTable([['BACKEND', 'STATE', 'NODE', 'ZONE', 'SHARE'], ...rows]);
  return `${head}\n  ${facts.join('; ')}\n${table.replaceAll(/^/gm, '  ')}`;
}

export function portText({ address, port, protocol, portName }: FrontendView): string {
  return `${formatEnd(address, port)}/${protocol}${portName === '' ? '' : ` (${portName})`}`;
}

/** Of all flows, in percent. */
export function shareText({ slots }: BackendView, frontend: FrontendView): string {
  return `${((100 * slots) / frontend.slots).toFixed(1)} %`;
}

function stateText({ state, inForce }: SeenFrontend): string {
  const word = {
    backends: paint('green', 'serving'),
    reject: paint('red', 'refused'),
    drop: paint('red', 'dropped'),
    elsewhere: 'left to another proxy',
  };
  return inForce === false ? `${word[state]}, ${paint('red', 'not in force yet')}` : word[state];
}

function affinityText({ affinitySeconds }: FrontendView): string {
  return affinitySeconds === 0 ? 'none' : `ClientIP, ${affinitySeconds} s`;
}

function leadText({ backends, endpoints, health }: FrontendView): string {
  const note = health === 'terminating' && backends.length > 0 ? ', terminating' : '';
  return `${backends.length} of ${count(endpoints, 'endpoint')}${note}`;
}

function conditionText({ ready, serving, terminating }: BackendView): string {
  const health = ready ? 'ready' : serving ? 'serving' : 'not ready';
  return terminating ? `${health}, terminating` : health;
}
