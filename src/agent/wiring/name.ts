/** Names and hardware addresses of pods' interfaces. */
import { createHash } from 'node:crypto';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const INSTANCE_CHARACTERS = 3;
const ATTACHMENT_CHARACTERS = 10;

/** What every host interface of an instance begins with, 5 characters; no other interface is ever touched. */
export function interfacePrefix(instance: string): string {
  return `sl${hash([instance], INSTANCE_CHARACTERS)}`;
}

/** The name of the host end, 15 characters of [a-z2-7]: the same for the same attachment, on every call. */
export function hostInterfaceName(instance: string, containerId: string, ifname: string, network: string): string {
  return interfacePrefix(instance) + hash([containerId, ifname, network], ATTACHMENT_CHARACTERS);
}

/** None of the parts can hold a NUL, so different parts never join to the same text. */
function hash(parts: readonly string[], characters: number): string {
  const digest = createHash('sha256').update(parts.join('\0')).digest();
  let bits = 0n;
  for (const octet of digest) bits = (bits << 8n) | BigInt(octet);
  let text = '';
  for (let i = 0; i < characters; i++) {
    text += BASE32[Number(bits & 31n)]!;
    bits >>= 5n;
  }
  return text;
}

/** A locally administered unicast address. `random` gives that many random bytes. */
export function randomMac(random: (size: number) => Uint8Array): string {
  const bytes = random(6);
  return Array.from(bytes, (octet, i) => (i === 0 ? (octet & 0xfc) | 0x02 : octet))
    .map((octet) => octet.toString(16).padStart(2, '0'))
    .join(':');
}
