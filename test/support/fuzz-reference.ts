/** Plays steps on the reference. */
import { Limit } from '../../src/kernel/abi.gen.ts';
import { parseAddress } from '../../src/net/address.ts';
import { FUZZ_PODS, type PacketStep, type Step } from './fuzz-step.ts';
import { macBytes } from './packet.ts';
import { type Outcome, ReferenceJudge } from './reference-judge.ts';
import type { TakenPort } from './reference-service-step.ts';

/** As the programs are loaded for fuzzing: small, so that it is reached. */
export const FLOWS_MAX = 2;
/** Of the nodes' tunnel. One of PORTS (packet-world.ts), so that it is met. */
export const VXLAN_PORT = 4001;

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

const addressTexts = new Map<string, string>();

/** One character a byte. */
function addressString(text: string): string {
  let known = addressTexts.get(text);
  if (known === undefined) {
    known = latin1(parseAddress(text)?.bytes ?? new Uint8Array(0));
    addressTexts.set(text, known);
  }
  return known;
}

const MACS = FUZZ_PODS.map(({ mac, hostMac }) => ({ mac: latin1(macBytes(mac)), hostMac: latin1(macBytes(hostMac)) }));

export class ReferenceSide {
  readonly judge: ReferenceJudge = new ReferenceJudge(FLOWS_MAX, VXLAN_PORT);

  run(step: PacketStep, takenPort: TakenPort): Outcome {
    const frame = Buffer.from(step.frame.buffer, step.frame.byteOffset, step.frame.byteLength);
    return step.hook === 'from_pod'
      ? this.judge.fromPod(step.pod, frame, takenPort)
      : this.judge.toPod(step.pod, step.entrance, frame);
  }

  write(step: Exclude<Step, PacketStep>): void {
    const { tables } = this.judge;
    switch (step.kind) {
      case 'endpoint': {
        const { pod, id, flags, generation } = step;
        const identity = FUZZ_PODS[pod]!;
        tables.endpoints.set(pod, {
          id,
          flags,
          ...MACS[pod]!,
          ipv4: step.hasIpv4 ? addressString(identity.ipv4) : undefined,
          ipv6: step.hasIpv6 ? addressString(identity.ipv6) : undefined,
          rules: { generation, old: rules(step.old), new: rules(step.new) },
        });
        return;
      }
      case 'endpoint-gone':
        tables.endpoints.delete(step.pod);
        return;
      case 'address':
        tables.addresses.set(addressString(step.address), {
          peerClass: { generation: step.generation, old: step.classes[0], new: step.classes[1] },
          flags: step.flags,
          local: step.local === undefined ? undefined : { ...step.local, ...MACS[step.local.pod]! },
        });
        return;
      case 'address-gone':
        tables.addresses.delete(addressString(step.address));
        return;
      case 'prefix':
        tables.prefixes.set(`${step.address}/${step.length}`, {
          family: step.address.includes(':') ? 6 : 4,
          address: addressString(step.address),
          length: step.length,
          peerClass: { generation: step.generation, old: step.classes[0], new: step.classes[1] },
        });
        return;
      case 'row':
        tables.setRow(step.ruleSet, step.peerClass, step.block, step.allow);
        return;
      case 'port':
        tables.setPort(step.table, step.protocol, step.port, step.portClass);
        return;
      case 'backend':
        tables.services.backends.set(step.id, { ...step, address: addressString(step.address) });
        return;
      case 'backend-gone':
        tables.services.backends.delete(step.id);
        return;
      case 'frontend': {
        const { address, port, protocol } = step;
        tables.services.setFrontend(addressString(address), port, protocol, step);
        return;
      }
      case 'frontend-gone':
        tables.services.removeFrontend(addressString(step.address), step.port, step.protocol);
        return;
      case 'service-range': {
        const family = step.address.includes(':') ? 6 : 4;
        const prefix = addressString(step.address).slice(0, step.length / 8);
        tables.services.ranges.set(`${step.address}/${step.length}`, { family, prefix });
        return;
      }
      case 'config':
        tables.config = step;
        return;
      case 'age':
        this.judge.pass(step.seconds);
    }
  }
}

function rules([ingress, egress]: readonly [number, number]): { ingress: number; egress: number } {
  return { ingress, egress };
}

/** Bits of one row's block. */
export function rowBits(classes: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Limit.PORT_CLASSES_PER_BLOCK / 8);
  for (const n of classes) bytes[n >> 3]! |= 1 << (n & 7);
  return bytes;
}
