/** A host outside of the cluster: on the wire, with addresses of its own in documentation prefixes (for ipBlocks). */
import { type AddressPair, EXTERNAL_NUMBER, externalAddresses, routesToPods } from './address-plan.ts';
import type { Ledger } from './ledger.ts';
import type { TestNetns } from './netns.ts';
import { ipBatch } from './run-command.ts';
import { type Wire, WIRE_INTERFACE } from './wire.ts';

/** Numbers of its addresses in EXTERNAL_PREFIXES. */
const EXTERNAL_ADDRESS_NUMBERS = [10, 20, 30] as const;

export interface ExternalHost {
  readonly netns: TestNetns;
  /** On the wire. */
  readonly addresses: AddressPair;
  /** In EXTERNAL_PREFIXES, one for each of EXTERNAL_ADDRESS_NUMBERS. */
  readonly outside: readonly AddressPair[];
}

/** With routes to the pods of `nodeCount` nodes: what it opens itself finds its way. */
export async function makeExternalHost(ledger: Ledger, wire: Wire, nodeCount: number): Promise<ExternalHost> {
  const netns = ledger.makeNetns('outside');
  const addresses = await wire.plug(netns, EXTERNAL_NUMBER);
  const outside = EXTERNAL_ADDRESS_NUMBERS.map(externalAddresses);
  await ipBatch(netns, [
    ...outside.flatMap(({ ipv4, ipv6 }) => [
      `address add ${ipv4}/32 dev ${WIRE_INTERFACE}`,
      `address add ${ipv6}/128 dev ${WIRE_INTERFACE} nodad`,
    ]),
    ...Array.from({ length: nodeCount }, (_, index) => routesToPods(index)).flat(),
  ]);
  return { netns, addresses, outside };
}
