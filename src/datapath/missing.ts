/** What of an endpoint a store does not hold: for a check of what should be there. */
import type { EndpointWiring } from './datapath.ts';
import { addressText } from './lookup.ts';
import { addressKeysOf } from './own-elements.ts';
import type { TableReader } from './store.ts';

/** In words; empty when all is there. */
export function missingElements(store: TableReader, wiring: EndpointWiring): readonly string[] {
  const missing: string[] = [];
  if (store.endpoint(wiring.ifindex)?.id !== wiring.id) missing.push(`endpoint ${wiring.id} in the maps`);
  for (const [i, key] of addressKeysOf(wiring).entries()) {
    if (store.local(key)?.endpointId === wiring.id) continue;
    missing.push(`address ${wiring.addresses[i] ?? addressText(key)} in the maps`);
  }
  return missing;
}
