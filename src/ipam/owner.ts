/** Whom an address belongs to: a CNI attachment. */
export interface Owner {
  /** The `name` of the network configuration. */
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}

/** Equal for equal owners, different for different ones. */
export function ownerKey(owner: Owner): string {
  return JSON.stringify([owner.network, owner.containerId, owner.ifname]);
}

/** For messages. */
export function formatOwner(owner: Owner): string {
  return `container ${owner.containerId} interface ${owner.ifname} on network ${owner.network}`;
}
