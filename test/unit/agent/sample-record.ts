import type { EndpointRecord } from '../../../src/agent/endpoint-record.ts';

/** The record of pod x/<pod>, whose addresses end in its id. */
export function sampleRecord(id: number, pod: string, fields: Partial<EndpointRecord> = {}): EndpointRecord {
  return {
    id,
    state: 'ready',
    containerId: `container-${pod}`,
    ifname: 'eth0',
    netns: `/run/netns/${pod}`,
    namespace: 'x',
    pod,
    uid: '',
    hostInterface: `slabc${pod}`,
    ifindex: 100 + id,
    addresses: [`10.1.0.${id}`, `fd00::${id}`],
    mac: '02:00:00:00:00:01',
    hostMac: '02:00:00:00:00:02',
    ...fields,
  };
}
