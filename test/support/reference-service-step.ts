/** What from_pod does with a packet for a service, and what becomes of answers and errors: rules 1 to 6 of bpf/service.h. */
import { ConfigFlag, Limit, Origin, Reason } from '../../src/kernel/abi.gen.ts';
import { beginsFlow, type Flow, isReply, keyOfPacket, type Translation } from './reference-flow.ts';
import type { FlowTable } from './reference-flow-table.ts';
import { type IpPacket, PROTOCOL } from './reference-parser.ts';
import type { Tuple } from './reference-rewrite.ts';
import type { Choice } from './reference-services.ts';

/** The packet of a client, translated. */
export interface Entered {
  readonly kind: 'entered';
  readonly packet: IpPacket;
  readonly translation: Translation;
  /** Undefined: the packet opens it. */
  readonly flow: Flow | undefined;
  /** Undefined: it has to be made. */
  readonly clientEntry: Flow | undefined;
  readonly isHairpin: boolean;
}

export type Service = Exclude<Choice, { readonly kind: 'backend' }> | Entered;

/** Whose packet it is. */
export interface Client {
  readonly packet: IpPacket;
  /** Its flow, or the entry of its tuple. */
  readonly entry: Flow | undefined;
  readonly endpointId: number;
}

/** The source port that the programs took for the client's packet, by lot; undefined when they made no entry of it. */
export type TakenPort = (packet: IpPacket) => number | undefined;

/** For packets that are denied afterwards, whatever their port. */
const FREE_PORTS: readonly number[] = Array.from({ length: 300 }, (_, i) => Limit.SOURCE_PORT_FIRST + i);

export class ServiceStep {
  readonly #table: FlowTable;

  constructor(table: FlowTable) {
    this.#table = table;
  }

  enter(client: Client, takenPort: TakenPort): Service {
    const { packet, entry } = client;
    const { services, addresses } = this.#table.tables;
    if (!this.#mayBeForService(client)) return { kind: 'none' };
    if (entry?.isClientEntry === true && entry.translation !== undefined) {
      const recalled = services.recall(packet, entry.translation, (address) => addresses.has(address));
      if (recalled.kind === 'reject' || recalled.kind === 'drop') return recalled;
      if (recalled.kind === 'backend') {
        const known = this.#real(client, recalled.translation);
        if (known.state === 'known') return this.#entered(client, recalled.translation, known.flow, entry);
      }
    }
    const chosen = services.choose(packet, this.#table.nowS);
    if (chosen.kind !== 'backend') return chosen;
    const real = this.#real(client, chosen.translation);
    if (real.state === 'known') return this.#entered(client, chosen.translation, real.flow, undefined);
    if (!beginsFlow(packet)) return { kind: 'none' };
    if (real.state === 'new') return this.#entered(client, chosen.translation, undefined, undefined);
    if (packet.protocol === PROTOCOL.SCTP) return { kind: 'drop', reason: Reason.TRANSLATION };
    const ports = [takenPort(packet) ?? 0, ...FREE_PORTS];
    const translations = ports.map((sourcePort) => ({ ...chosen.translation, sourcePort }));
    // Where the programs took one that is not free another one here shows it.
    const translation = translations.find((candidate) => this.#isFree(client, candidate));
    if (translation === undefined) throw new Error('no source port is free');
    return this.#entered(client, translation, undefined, undefined);
  }

  #mayBeForService({ packet, entry }: Client): boolean {
    if (entry?.isClientEntry === true) return true;
    const { config, addresses } = this.#table.tables;
    if ((config.flags & ConfigFlag.CONFIG_SERVICES) === 0 || addresses.has(packet.destination)) return false;
    if (entry === undefined) return true;
    return entry.translation === undefined && !entry.isAnswered && beginsFlow(packet);
  }

  #entered(client: Client, translation: Translation, flow: Flow | undefined, clientEntry: Flow | undefined): Entered {
    const packet = translated(client.packet, translation);
    const isHairpin = packet.source !== client.packet.source;
    return { kind: 'entered', packet, translation, flow, clientEntry, isHairpin };
  }

  /** What there is of the flow that the client's packet is translated to. */
  #real(
    { packet: client, endpointId }: Client,
    translation: Translation,
  ): { readonly state: 'known'; readonly flow: Flow } | { readonly state: 'new' | 'taken' } {
    const packet = translated(client, translation);
    const isHairpin = packet.source !== client.source;
    const responder = this.#table.tables.addresses.get(packet.destination)?.local?.id ?? 0;
    const flow = this.#table.find(packet, isHairpin ? 0 : endpointId, responder);
    if (flow === undefined) return { state: keyOfPacket(packet) === keyOfPacket(client) ? 'taken' : 'new' };
    const isOwn =
      !isReply(flow, packet) &&
      !flow.isClientEntry &&
      flow.translation?.clientPort === client.sourcePort &&
      flow.translation.original.address === client.destination &&
      flow.translation.original.port === client.destinationPort;
    return isOwn ? { state: 'known', flow } : { state: 'taken' };
  }

  #isFree(client: Client, translation: Translation): boolean {
    const { sourcePort, clientPort } = translation;
    if (sourcePort < Limit.SOURCE_PORT_FIRST || sourcePort === clientPort) return false;
    return !this.#table.flows.has(keyOfPacket(translated(client.packet, translation)));
  }

  /** The flow that a hairpin packet opens: no end judges it (NP-86). */
  hairpinFlow(flow: Flow, endpointId: number): Flow {
    return { ...flow, origin: Origin.POD, isPeerPath: true, responderEndpoint: endpointId };
  }
}

/** Rule 4: the source is the service where client and backend are one. */
function translated(client: IpPacket, { translated: to, sourcePort }: Translation): IpPacket {
  const source = client.source === to.address ? client.destination : client.source;
  return { ...client, source, sourcePort, destination: to.address, destinationPort: to.port };
}

/** A packet of the backend, as the client is to see it. */
export function answerTuple(packet: IpPacket, { original, clientPort }: Translation): Tuple {
  const isHairpin = packet.destination === original.address;
  return {
    source: original.address,
    sourcePort: original.port,
    destination: isHairpin ? packet.source : packet.destination,
    destinationPort: clientPort,
  };
}

/** A packet to the backend, as the client sent it. */
export function clientTuple(packet: IpPacket, { original, clientPort }: Translation): Tuple {
  const isHairpin = packet.source === original.address;
  return {
    source: isHairpin ? packet.destination : packet.source,
    sourcePort: clientPort,
    destination: original.address,
    destinationPort: original.port,
  };
}
