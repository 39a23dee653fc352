/** The result of an ADD in every supported version of the specification (CNI-24, CNI-73). */
import type { AddedPod, AddedAddress } from './pod-network.ts';
import type { AddCall } from './request.ts';
import { isAtLeast, type CniVersion } from './version.ts';

/** Of the pod's interface in `interfaces`; the host's end is 0. */
const POD_INTERFACE_INDEX = 1;

/** One JSON object and a line end, for stdout. */
export function encodeResult(call: AddCall, added: AddedPod): string {
  const { cniVersion, config } = call;
  if (added.addresses.length === 0) throw new Error('an ADD without an address is no result: the runtime needs one');
  return `${JSON.stringify({
    cniVersion,
    interfaces: encodeInterfaces(call, added),
    ips: added.addresses.map((address) => encodeAddress(cniVersion, address)),
    routes: added.routes,
    dns: config.dns ?? {},
  })}\n`;
}

function encodeInterfaces(call: AddCall, added: AddedPod): readonly object[] {
  const { hostInterface, podInterface } = added;
  // go-cni keys interfaces by name alone and would take the host's end for the pod's.
  if (hostInterface.name === call.ifname) throw new Error(`the host's end is named ${call.ifname} as the pod's is`);
  const mtu = isAtLeast(call.cniVersion, '1.1.0') ? { mtu: added.mtu } : {};
  return [
    { name: hostInterface.name, mac: hostInterface.mac, ...mtu, sandbox: '' },
    { name: call.ifname, mac: podInterface.mac, ...mtu, sandbox: call.netns },
  ];
}

function encodeAddress(version: CniVersion, added: AddedAddress): object {
  const { address, gateway } = added;
  const family = address.includes(':') ? '6' : '4';
  const before1 = isAtLeast(version, '1.0.0') ? {} : { version: family };
  return { ...before1, interface: POD_INTERFACE_INDEX, address, gateway };
}

/** The answer to VERSION (CNI-53). */
export function encodeVersions(stated: string | undefined, supported: readonly string[]): string {
  return `${JSON.stringify({ cniVersion: stated ?? supported.at(-1), supportedVersions: supported })}\n`;
}
