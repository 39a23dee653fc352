/** The service tables as the reference holds them, and what they say of a client's packet: the rules of bpf/service.h. */
import { FrontendFlag, Reason } from '../../src/kernel/abi.gen.ts';
import { formatAddress } from '../../src/net/address.ts';
import { hashTuple, slotOf } from '../../src/service/choose.ts';
import type { Protocol } from '../../src/service/model.ts';
import { beginsFlow, type End, type Translation } from './reference-flow.ts';
import { type IpFamily, type IpPacket, PROTOCOL } from './reference-parser.ts';

export interface ReferenceFrontend {
  readonly id: number;
  /** frontend_flag bits. */
  readonly flags: number;
  /** Backend ids. */
  readonly slots: readonly number[];
  readonly affinityS: number;
}

export interface ReferenceBackend extends End {
  /** Id. */
  readonly frontend: number;
}

interface ServiceRange {
  readonly family: IpFamily;
  /** Whole bytes: as long as the prefix. */
  readonly prefix: string;
}

/** Where a packet leads, or what is done with it instead. */
export type Choice =
  | { readonly kind: 'none' }
  | { readonly kind: 'reject' | 'drop'; readonly reason: Reason }
  | { readonly kind: 'backend'; readonly translation: Translation };

const NAMES = new Map<number, Protocol>([
  [PROTOCOL.TCP, 'TCP'],
  [PROTOCOL.UDP, 'UDP'],
  [PROTOCOL.SCTP, 'SCTP'],
]);

export class ReferenceServices {
  readonly backends: Map<number, ReferenceBackend> = new Map();
  readonly #remembered = new Map<string, { readonly backend: number; readonly openedS: number }>();
  readonly ranges: Map<string, ServiceRange> = new Map();
  readonly #frontends = new Map<string, ReferenceFrontend>();
  /** Addresses that some frontend has. */
  readonly #addresses = new Set<string>();

  setFrontend(address: string, port: number, protocol: number, frontend: ReferenceFrontend): void {
    this.#frontends.set(frontendKey(address, port, protocol), frontend);
    this.#addresses.add(address);
  }

  removeFrontend(address: string, port: number, protocol: number): void {
    this.#frontends.delete(frontendKey(address, port, protocol));
  }

  /** Rule 2. */
  choose(packet: IpPacket, nowS: number): Choice {
    const { destination, destinationPort, protocol } = packet;
    const frontend = this.#frontends.get(frontendKey(destination, destinationPort, protocol));
    if (frontend === undefined) return this.#withoutFrontend(packet);
    if ((frontend.flags & FrontendFlag.FRONTEND_ELSEWHERE) !== 0) return { kind: 'none' };
    if ((frontend.flags & FrontendFlag.FRONTEND_DROP) !== 0) return { kind: 'drop', reason: Reason.TRAFFIC_POLICY };
    const slots = (frontend.flags & FrontendFlag.FRONTEND_REJECT) === 0 ? frontend.slots : [];
    if (slots.length === 0) return { kind: 'reject', reason: Reason.NO_BACKEND };
    const client = `${frontend.id}/${packet.source}`;
    const id = this.#rememberedBackend(frontend, client, nowS) ?? slots[slotOf(hashOf(packet), slots.length)]!;
    const backend = this.#backendOf(id, frontend.id);
    if (backend === undefined) return { kind: 'reject', reason: Reason.NO_BACKEND };
    if (frontend.affinityS > 0 && beginsFlow(packet)) this.#remembered.set(client, { backend: id, openedS: nowS });
    if (protocol === PROTOCOL.SCTP && backend.port !== destinationPort) {
      return { kind: 'drop', reason: Reason.TRANSLATION };
    }
    const translation: Translation = {
      frontend: frontend.id,
      backend: id,
      original: { address: destination, port: destinationPort },
      translated: { address: backend.address, port: backend.port },
      clientPort: packet.sourcePort,
      sourcePort: packet.sourcePort,
    };
    return { kind: 'backend', translation };
  }

  /** Rule 5; `none`: choose anew. */
  recall(packet: IpPacket, translation: Translation, isKnownAddress: (address: string) => boolean): Choice {
    const { translated, backend } = translation;
    const now = this.#backendOf(backend, translation.frontend);
    if (now?.address === translated.address && now.port === translated.port) return { kind: 'backend', translation };
    if (beginsFlow(packet)) return { kind: 'none' };
    return isKnownAddress(translated.address)
      ? { kind: 'backend', translation }
      : { kind: 'reject', reason: Reason.NO_BACKEND };
  }

  #backendOf(id: number, frontend: number): ReferenceBackend | undefined {
    const backend = this.backends.get(id);
    return backend?.frontend === frontend ? backend : undefined;
  }

  /** SVC-24. */
  #rememberedBackend({ id, affinityS }: ReferenceFrontend, client: string, nowS: number): number | undefined {
    const entry = affinityS > 0 ? this.#remembered.get(client) : undefined;
    if (entry === undefined || nowS - entry.openedS > affinityS) return undefined;
    return this.#backendOf(entry.backend, id) === undefined ? undefined : entry.backend;
  }

  #withoutFrontend({ destination, family }: IpPacket): Choice {
    if (this.#addresses.has(destination)) return { kind: 'reject', reason: Reason.NO_SUCH_SERVICE };
    for (const range of this.ranges.values()) {
      if (range.family === family && destination.startsWith(range.prefix)) {
        return { kind: 'drop', reason: Reason.NO_SUCH_SERVICE };
      }
    }
    return { kind: 'none' };
  }
}

function frontendKey(address: string, port: number, protocol: number): string {
  return `${protocol}/${port}/${address}`;
}

function hashOf({ source, sourcePort, destinationPort, protocol }: IpPacket): number {
  return hashTuple({
    source: formatAddress(new Uint8Array(Buffer.from(source, 'latin1'))),
    sourcePort,
    destinationPort,
    protocol: NAMES.get(protocol)!,
  });
}
