import type { DropEvent } from '../../../src/datapath/datapath.ts';

/** A SYN from endpoint 1 to port 80 of endpoint 2, dropped there. */
export function sampleDrop(fields: Partial<DropEvent> = {}): DropEvent {
  return {
    timeNs: 1_000_000_000n,
    generation: 3,
    ifindex: 102,
    endpointId: 2,
    ruleSet: 9,
    peerClass: 20,
    portClass: 30,
    reason: 'policy',
    direction: 'ingress',
    verdict: 'deny',
    protocol: 6,
    source: '10.1.0.1',
    destination: '10.1.0.2',
    sourcePort: 40_000,
    destinationPort: 80,
    tcpFlags: 2,
    bytes: 74,
    suppressed: 0,
    ...fields,
  };
}
