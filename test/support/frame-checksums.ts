/** Checksums of frames (RFC 1071): filled in, and verified by summing up anew. */

const ETHERNET_BYTES = 14;
const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
/** Offset of the checksum in each transport header. */
const CHECKSUM_AT: Readonly<Record<number, number>> = { [ICMP]: 2, [TCP]: 16, [UDP]: 6, [ICMPV6]: 2 };

interface Layout {
  readonly isIpv4: boolean;
  readonly protocol: number;
  /** From the start of the frame. */
  readonly transport: number;
  readonly end: number;
}

/** A copy with every checksum as it belongs; UDP's stays zero where `withoutUdp`. Extension headers are not looked into. */
export function withChecksums(frame: Uint8Array, withoutUdp = false): Uint8Array {
  const out = Buffer.from(frame);
  const layout = layoutOf(out);
  if (layout.isIpv4) {
    out.writeUInt16BE(0, ETHERNET_BYTES + 10);
    out.writeUInt16BE(fold(sum(out.subarray(ETHERNET_BYTES, layout.transport))), ETHERNET_BYTES + 10);
  }
  const at = CHECKSUM_AT[layout.protocol];
  if (at === undefined || (withoutUdp && layout.protocol === UDP)) return new Uint8Array(out);
  out.writeUInt16BE(0, layout.transport + at);
  const value = fold(transportSum(out, layout));
  out.writeUInt16BE(layout.protocol === UDP && value === 0 ? 0xffff : value, layout.transport + at);
  return new Uint8Array(out);
}

/** Names of the checksums that are wrong. */
export function wrongChecksums(frame: Uint8Array): readonly string[] {
  const bytes = Buffer.from(frame);
  const layout = layoutOf(bytes);
  const wrong: string[] = [];
  if (layout.isIpv4 && fold(sum(bytes.subarray(ETHERNET_BYTES, layout.transport))) !== 0) wrong.push('ip');
  const at = CHECKSUM_AT[layout.protocol];
  const isAbsent = layout.protocol === UDP && bytes.readUInt16BE(layout.transport + 6) === 0;
  if (at !== undefined && !isAbsent && fold(transportSum(bytes, layout)) !== 0) wrong.push('transport');
  return wrong;
}

function layoutOf(bytes: Buffer): Layout {
  const isIpv4 = bytes.readUInt16BE(12) === 0x0800;
  const transport = ETHERNET_BYTES + (isIpv4 ? (bytes[ETHERNET_BYTES]! & 15) * 4 : 40);
  const end = isIpv4
    ? ETHERNET_BYTES + bytes.readUInt16BE(ETHERNET_BYTES + 2)
    : transport + bytes.readUInt16BE(ETHERNET_BYTES + 4);
  return { isIpv4, protocol: bytes[ETHERNET_BYTES + (isIpv4 ? 9 : 6)]!, transport, end };
}

function transportSum(bytes: Buffer, { isIpv4, protocol, transport, end }: Layout): number {
  const body = bytes.subarray(transport, end);
  if (protocol === ICMP) return sum(body);
  const addresses = bytes.subarray(ETHERNET_BYTES + (isIpv4 ? 12 : 8), ETHERNET_BYTES + (isIpv4 ? 20 : 40));
  return sum(body) + sum(addresses) + protocol + body.length;
}

function sum(bytes: Buffer): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  return total;
}

function fold(total: number): number {
  let value = total;
  while (value > 0xffff) value = (value & 0xffff) + Math.floor(value / 0x1_0000);
  return ~value & 0xffff;
}
