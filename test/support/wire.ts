/** The wire: one layer 2 segment (a bridge in a namespace of its own) that nodes and outside hosts are plugged into. */
import { type AddressPair, wireAddresses } from './address-plan.ts';
import type { Ledger } from './ledger.ts';
import type { TestNetns } from './netns.ts';
import { ipBatch, setSysctls } from './run-command.ts';

export const WIRE_INTERFACE = 'eth0';

export class Wire {
  readonly #netns: TestNetns;

  private constructor(netns: TestNetns) {
    this.#netns = netns;
  }

  static async make(ledger: Ledger): Promise<Wire> {
    const netns = ledger.makeNetns('wire');
    await ipBatch(netns, ['link add wire type bridge', 'link set wire up']);
    return new Wire(netns);
  }

  /** Gives the namespace an interface `eth0` on the wire with the addresses of `number`; usable at once, no DAD. */
  async plug(netns: TestNetns, number: number): Promise<AddressPair> {
    const addresses = wireAddresses(number);
    await setSysctls(netns, { 'net.ipv6.conf.default.accept_dad': '0', 'net.ipv6.conf.default.accept_ra': '0' });
    await ipBatch(this.#netns, [
      `link add port${number} type veth peer name ${WIRE_INTERFACE} netns ${netns.name}`,
      `link set port${number} master wire`,
      `link set port${number} up`,
    ]);
    await ipBatch(netns, [
      `link set ${WIRE_INTERFACE} up`,
      `address add ${addresses.ipv4}/24 dev ${WIRE_INTERFACE}`,
      `address add ${addresses.ipv6}/64 dev ${WIRE_INTERFACE} nodad`,
    ]);
    return addresses;
  }
}
