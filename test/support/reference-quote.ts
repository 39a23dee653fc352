/** The flow whose packet an ICMP error quotes, and what the error becomes where a service has to do with it. */
import { Direction } from '../../src/kernel/abi.gen.ts';
import { type Flow, isReply } from './reference-flow.ts';
import type { FlowTable } from './reference-flow-table.ts';
import { type IpPacket, isIcmpError, readIp } from './reference-parser.ts';
import { type Rewriting, type Tuple, withQuote, withTuple } from './reference-rewrite.ts';
import { clientTuple } from './reference-service-step.ts';

const ICMP_HEADER_BYTES = 8;

export interface QuotedFlow {
  readonly flow: Flow;
  /** Undefined: it stays as it is. */
  readonly made: Rewriting | undefined;
  /** Whom it is for then. */
  readonly destination: string | undefined;
}

/** Ids of the endpoints that have the quoted packet's addresses now. */
interface QuotedEnds {
  readonly source: number;
  readonly destination: number | 'any';
}

interface Seen {
  readonly hook: Direction;
  readonly frame: Buffer;
}

export class QuoteReader {
  readonly #table: FlowTable;

  constructor(table: FlowTable) {
    this.#table = table;
  }

  /**
   * Undefined: it quotes no flow: of a packet that its receiver sent, and, out of a pod, one that was sent to the pod. A
   * later fragment quotes nothing.
   */
  read(seen: Seen, error: IpPacket, ends: QuotedEnds): QuotedFlow | undefined {
    if (!isIcmpError(error) || error.fragment?.isFirst === false) return undefined;
    const at = error.transportAt + ICMP_HEADER_BYTES;
    const { packet: quote, reason } = readIp(seen.frame, {
      family: error.family,
      at,
      limit: error.end,
      isQuoted: true,
    });
    if (quote === undefined || reason !== undefined || quote.fragment?.isFirst === false) return undefined;
    if (quote.source !== error.destination) return undefined;
    if (seen.hook === Direction.EGRESS && quote.destination !== error.source) return undefined;
    const flow = this.#table.find(quote, ends.source, ends.destination);
    if (flow?.translation === undefined) return flow && { flow, made: undefined, destination: undefined };
    if (flow.isClientEntry) {
      return seen.hook === Direction.EGRESS ? this.#ofAnswer(seen, error, quote, flow, ends) : undefined;
    }
    const isLeft = isReply(flow, quote) || (seen.hook === Direction.EGRESS && !flow.isPeerPath);
    if (isLeft) return { flow, made: undefined, destination: undefined };
    const client = clientTuple(quote, flow.translation);
    return { flow, ...remade(seen, error, quote, client, quote.source !== client.source) };
  }

  /** About an answer of the service, which came to the pod as the service's and was the backend's before. */
  #ofAnswer(seen: Seen, error: IpPacket, quote: IpPacket, client: Flow, ends: QuotedEnds): QuotedFlow | undefined {
    const { translated, sourcePort } = client.translation!;
    const isHairpin = translated.address === quote.destination;
    const answer: Tuple = {
      source: translated.address,
      sourcePort: translated.port,
      destination: isHairpin ? quote.source : quote.destination,
      destinationPort: sourcePort,
    };
    const flow = this.#table.find({ ...quote, ...answer }, 'any', isHairpin ? 0 : ends.destination);
    if (flow?.translation === undefined || flow.isClientEntry) return undefined;
    return { flow, ...remade(seen, error, quote, answer, true) };
  }
}

/** isFromBoth: the error's own ends are those of what it quotes now. */
function remade(
  seen: Seen,
  error: IpPacket,
  quote: IpPacket,
  to: Tuple,
  isFromBoth: boolean,
): Pick<QuotedFlow, 'made' | 'destination'> {
  const inner = withQuote(seen.frame, error, error.transportAt + ICMP_HEADER_BYTES, quote, to);
  const [source, destination] = isFromBoth ? [to.destination, to.source] : [error.source, error.destination];
  const outer = withTuple(inner.frame, error, { source, sourcePort: 0, destination, destinationPort: 0 });
  return { made: { frame: outer.frame, checksums: [...inner.checksums, ...outer.checksums] }, destination };
}
