/**
 * What a killed agent left half-made is undone, and what it knew but is gone is forgotten, before anything new is made:
 * records of ADDs that never answered, records whose interface is gone, interfaces, endpoints and addresses without a
 * record. What a DEL that was answered left to do is done. Afterwards records, interfaces, endpoints and allocations say the same.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Datapath, EndpointWiring } from '../datapath/datapath.ts';
import type { Ipam } from '../ipam/ipam.ts';
import type { EndpointRecord, EndpointRecords, LeavingRecord } from './endpoint-record.ts';
import type { Log } from '../lib/log.ts';
import { listWiredInterfaces, unwirePod } from './wiring.ts';
import type { NodeNetwork } from './wiring/node.ts';

export interface LeftOverParts {
  readonly instance: string;
  readonly node: NodeNetwork;
  readonly records: EndpointRecords;
  readonly datapath: Datapath;
  readonly ipam: Ipam;
  readonly log: Log;
}

export async function removeLeftOvers(parts: LeftOverParts): Promise<void> {
  const { instance, node, records, datapath, ipam, log } = parts;
  const links = new Map(listWiredInterfaces(node, instance).map((link) => [link.name, link.index]));
  for (const record of [...records.leaving(), ...records.list()]) {
    const isWhole = record.state === 'ready' && links.get(record.hostInterface) === record.ifindex;
    if (isWhole) continue;
    if (record.state === 'removing') log.info(fieldsOf(record), 'removal of a pod goes on');
    else
      log.warn(
        fieldsOf(record),
        record.state === 'wiring' ? 'unfinished ADD is undone' : 'pod is gone and is forgotten',
      );
    await unwirePod(node, instance, record.hostInterface);
    // Also of an id that is not among the endpoints: programs are attached before the maps know it.
    await datapath.detachEndpoint(record.id);
    await records.remove(record);
  }
  const kept = records.list();
  const names = new Set(kept.map(({ hostInterface }) => hostInterface));
  for (const name of links.keys()) {
    if (names.has(name)) continue;
    if (await unwirePod(node, instance, name)) log.warn({ interface: name }, 'interface without a record is removed');
  }
  const ids = new Set(kept.map(({ id }) => id));
  for (const id of datapath.endpoints().keys()) if (!ids.has(id)) await datapath.detachEndpoint(id);
  for (const record of kept) await attachAgain(parts, record);
  const owners = kept.map(({ containerId, ifname }) => ({ network: instance, containerId, ifname }));
  for (const { addresses } of await ipam.reconcile(owners))
    log.warn({ addresses }, 'addresses without a pod are released');
}

/** An endpoint that the kernel knows as it is keeps what it has; one that lost its programs or maps gets them, closed. */
async function attachAgain({ datapath, log }: LeftOverParts, record: EndpointRecord): Promise<void> {
  const { id, ifindex, addresses, mac, hostMac, noPeer = false } = record;
  const wiring = { id, ifindex, addresses, mac, hostMac, noPeer };
  const known = datapath.endpoints().get(id);
  if (known !== undefined && !isDeepStrictEqual(byFamily(known), byFamily(wiring))) {
    log.warn({ ...fieldsOf(record), known }, 'endpoint is not as its record says and is attached anew');
    await datapath.detachEndpoint(id);
  }
  await datapath.attachEndpoint(wiring);
}

/** The kernel's maps do not keep the order of addresses. */
function byFamily(wiring: EndpointWiring): EndpointWiring {
  return { ...wiring, addresses: wiring.addresses.toSorted() };
}

function fieldsOf({ namespace, pod, hostInterface, addresses }: EndpointRecord | LeavingRecord): object {
  return { pod: `${namespace}/${pod}`, interface: hostInterface, addresses };
}
