/**
 * One flow that two sets of programs remember, each in a table of its own: what is true of it.
 *
 * 1. The same opening: marks of what was seen are put together, the latest sighting counts; when it was judged, and
 *    whether it is counted for its endpoint, stays as this build has it.
 * 2. Two openings, the later a continuation: the later entry was made from the middle of the flow, because its programs
 *    did not find the earlier one in their table. The earlier one knows who opened it and how its packets travel.
 * 3. Two openings otherwise: the port was used again; the later flow counts.
 */
import { FlowFlag, type FlowValue, TcpFlag } from '../../kernel/abi.gen.ts';

/** Longer than programs of two builds run side by side; shorter than any timeout after which a flow may be opened anew. */
const CONTINUATION_NS = 2_000_000_000n;

/** @param own as the programs of this build have it; returned as it is where it already says everything. */
export function mergeFlow(own: FlowValue, other: FlowValue): FlowValue {
  if (own.openedNs === other.openedNs) return combine(own, other);
  const [earlier, later] = own.openedNs < other.openedNs ? [own, other] : [other, own];
  if (!isContinuation(earlier, later)) return later;
  return earlier === own ? combine(own, later) : { ...combine(earlier, own), ...chargeOf(own, earlier) };
}

function isContinuation(earlier: FlowValue, later: FlowValue): boolean {
  const isSameEnds =
    (earlier.openerEndpoint === later.openerEndpoint && earlier.responderEndpoint === later.responderEndpoint) ||
    (earlier.openerEndpoint === later.responderEndpoint && earlier.responderEndpoint === later.openerEndpoint);
  const sawOpening = (later.openerTcp & TcpFlag.TCP_SEEN_SYN) !== 0;
  return isSameEnds && !sawOpening && later.openedNs - earlier.lastSeenNs < CONTINUATION_NS;
}

/** Whether the flow is counted for its endpoint: this build counts by itself. */
function chargeOf(own: FlowValue, base: FlowValue): Pick<FlowValue, 'flags' | 'chargedPart'> {
  const answered = (base.flags | own.flags) & ~FlowFlag.FLOW_CHARGED;
  return { flags: answered | (own.flags & FlowFlag.FLOW_CHARGED), chargedPart: own.chargedPart };
}

function combine(base: FlowValue, other: FlowValue): FlowValue {
  const isSameOpener = base.opener === other.opener;
  const openerTcp = base.openerTcp | (isSameOpener ? other.openerTcp : other.responderTcp);
  const responderTcp = base.responderTcp | (isSameOpener ? other.responderTcp : other.openerTcp);
  const { flags } = chargeOf(base, other);
  const lastSeenNs = base.lastSeenNs > other.lastSeenNs ? base.lastSeenNs : other.lastSeenNs;
  const isSaid =
    openerTcp === base.openerTcp &&
    responderTcp === base.responderTcp &&
    flags === base.flags &&
    lastSeenNs === base.lastSeenNs;
  return isSaid ? base : { ...base, openerTcp, responderTcp, flags, lastSeenNs };
}
