/** The addresses on the node's own interfaces: a pod may always reach its own node (NP-81). */
import { networkInterfaces } from 'node:os';
import { canonicalAddress } from '../net/address.ts';

const ZONE = /%.*$/;

/** Canonical text, sorted, without loopback and link-local ones. Reads the interfaces of this process's namespace. */
export function readNodeAddresses(): readonly string[] {
  const found = new Set<string>();
  for (const [, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { address, internal } of addresses) {
      const text = canonicalAddress(address.replace(ZONE, ''));
      if (text !== undefined && !internal && !text.startsWith('fe80:')) found.add(text);
    }
  }
  return [...found].toSorted();
}
