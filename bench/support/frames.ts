/** Frames of an endpoint's flows to peers all over the tables, as one flat array of frames of one size. */
import { parseAddress } from '../../src/net/address.ts';
import type { EndpointWiring } from '../../src/datapath/datapath.ts';
import { macBytes } from '../../test/support/packet.ts';
import { type ClusterSize, OPEN_PORTS, outsideAddress, podAddress } from './cluster.ts';

/** Ethernet, IPv4, TCP without options. */
export const FRAME_BYTES = 54;
const SOURCE_PORT_FIRST = 1024;

export const TcpFlag = { SYN: 0x02, ACK: 0x10 } as const;

export interface Tuple {
  /** 32 bits, network order. */
  readonly peer: number;
  readonly localPort: number;
  readonly peerPort: number;
}

/** Integers below `limit`; the same sequence for the same seed. */
export type Random = (limit: number) => number;

/** xorshift32. seed: not 0. */
export function makeRandom(seed: number): Random {
  let state = seed >>> 0;
  return (limit) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
}

/**
 * Half of the peers are pods of other nodes, known one by one; half are outside, known by a CIDR. Every peer and every port of
 * the range that policies leave open is equally likely.
 */
export function randomTuples(size: ClusterSize, count: number, random: Random): readonly Tuple[] {
  return Array.from({ length: count }, (_, index) => {
    const address =
      index % 2 === 0
        ? podAddress(size.endpoints + random(size.pods - size.endpoints))
        : outsideAddress(random(size.cidrs), random(16));
    return {
      peer: new DataView(parseAddress(address)!.bytes.buffer).getUint32(0),
      localPort: SOURCE_PORT_FIRST + random(65_536 - SOURCE_PORT_FIRST),
      peerPort: OPEN_PORTS.first + random(OPEN_PORTS.last - OPEN_PORTS.first + 1),
    };
  });
}

/** Frames that the endpoint sends; with `isReply`, that it gets back. */
export function framesOf(tuples: readonly Tuple[], wiring: EndpointWiring, flags: number, isReply = false): Uint8Array {
  const bytes = new Uint8Array(tuples.length * FRAME_BYTES);
  const view = new DataView(bytes.buffer);
  const local = new DataView(parseAddress(wiring.addresses[0]!)!.bytes.buffer).getUint32(0);
  const [mac, hostMac] = [macBytes(wiring.mac), macBytes(wiring.hostMac)];
  for (const [index, tuple] of tuples.entries()) {
    const at = index * FRAME_BYTES;
    bytes.set(isReply ? mac : hostMac, at);
    bytes.set(isReply ? hostMac : mac, at + 6);
    view.setUint16(at + 12, 0x0800);
    bytes[at + 14] = 0x45;
    view.setUint16(at + 16, FRAME_BYTES - 14);
    bytes[at + 22] = 64;
    bytes[at + 23] = 6;
    view.setUint32(at + 26, isReply ? tuple.peer : local);
    view.setUint32(at + 30, isReply ? local : tuple.peer);
    view.setUint16(at + 34, isReply ? tuple.peerPort : tuple.localPort);
    view.setUint16(at + 36, isReply ? tuple.localPort : tuple.peerPort);
    bytes[at + 46] = 5 << 4;
    bytes[at + 47] = flags;
  }
  return bytes;
}

/** In random order. */
export function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  const result = [...items];
  for (let at = result.length - 1; at > 0; at--) {
    const other = random(at + 1);
    [result[at], result[other]] = [result[other]!, result[at]!];
  }
  return result;
}
