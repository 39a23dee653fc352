/** What stands between the IP header and the transport header: options, extension headers, a cut into fragments. */
import { concat, extensionHeader, fragmentHeader } from './packet.ts';
import type { RandomSource } from './random-source.ts';

export interface Body {
  readonly protocol: number;
  readonly payload: Uint8Array;
}

/** A list of options, sometimes with lengths that lie. */
export function ipv4Options(r: RandomSource): Uint8Array {
  const parts: number[] = [];
  while (parts.length < 4 * (1 + r.below(9)) && parts.length < 34) {
    const kind = r.below(8);
    if (kind < 3) parts.push(1);
    else if (kind === 3) parts.push(0);
    else if (kind === 4 && r.chance(0.4)) parts.push(r.pick([131, 137]), 3, 4);
    else parts.push(r.pick([7, 68, 148]), r.chance(0.9) ? 4 : r.below(256), 0, 0);
  }
  while (parts.length % 4 !== 0) parts.push(r.pick([0, 1, 7]));
  return Uint8Array.from(parts.slice(0, 40));
}

/** The body behind `count` extension headers. */
export function extended(r: RandomSource, count: number, { protocol, payload }: Body): Body {
  let body: Body = { protocol, payload };
  for (let i = 0; i < count; i += 1) {
    const type = r.pick([0, 60, 60, 43, 51, 44, 139, 60]);
    const units = r.below(3);
    if (type === 44) {
      body = { protocol: 44, payload: fragmentHeader(body.protocol, 0, false, 9, body.payload) };
    } else if (type === 51) {
      const words = r.pick([1, 4, 4, 2]);
      const head = concat(Uint8Array.of(body.protocol, words, 0, 0), new Uint8Array(4 * (words + 2) - 4));
      body = { protocol: 51, payload: concat(head, body.payload) };
    } else {
      const bytes = type === 43 ? [0, r.chance(0.2) ? 1 : 0] : [1, 4];
      body = { protocol: type, payload: extensionHeader(body.protocol, units, body.payload, bytes) };
    }
  }
  return body;
}

/** A first fragment, one in the middle, a last one, or the whole in one. */
export function slice(r: RandomSource, payload: Uint8Array): { offset: number; more: boolean; data: Uint8Array } {
  if (r.chance(0.5)) {
    const length = r.chance(0.8) ? payload.length : r.below(payload.length + 1);
    return { offset: 0, more: r.chance(0.95), data: payload.subarray(0, length) };
  }
  const offset = 8 * (r.chance(0.95) ? 1 + r.below(8) : 8180 + r.below(12));
  // What looks like the beginning of something is the worst middle.
  return { offset, more: r.chance(0.5), data: r.chance(0.5) ? payload : r.bytes(8 * r.below(5)) };
}
