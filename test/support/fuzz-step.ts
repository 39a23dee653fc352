/**
 * What a fuzzed sequence is made of: writes of the tables, packets, and time. All of it is plain data without kernel
 * numbers, so that a sequence can be kept in a file, cut down and played again.
 */
import { readFileSync } from 'node:fs';
import type { Entrance } from './reference-judge.ts';

export interface PodIdentity {
  readonly mac: string;
  readonly hostMac: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** The pods' interfaces of every world. */
export const FUZZ_PODS: readonly PodIdentity[] = [1, 2, 3].map((n) => ({
  mac: `02:00:00:00:00:0${n}`,
  hostMac: `02:00:00:00:01:0${n}`,
  ipv4: `10.244.0.${n + 1}`,
  ipv6: `fd00:244::${n + 1}`,
}));

export type Step =
  | {
      readonly kind: 'endpoint';
      readonly pod: number;
      readonly id: number;
      readonly flags: number;
      readonly hasIpv4: boolean;
      readonly hasIpv6: boolean;
      readonly generation: number;
      /** Rule sets before and from the generation on: ingress, egress. */
      readonly old: readonly [number, number];
      readonly new: readonly [number, number];
    }
  | { readonly kind: 'endpoint-gone'; readonly pod: number }
  | {
      readonly kind: 'address';
      readonly address: string;
      readonly generation: number;
      readonly classes: readonly [number, number];
      readonly flags: number;
      readonly local?: { readonly pod: number; readonly id: number; readonly flags: number };
    }
  | { readonly kind: 'address-gone'; readonly address: string }
  | {
      readonly kind: 'prefix';
      readonly address: string;
      readonly length: number;
      readonly generation: number;
      readonly classes: readonly [number, number];
    }
  | {
      readonly kind: 'row';
      readonly ruleSet: number;
      readonly peerClass: number;
      readonly block: number;
      readonly allow: readonly number[];
    }
  | {
      readonly kind: 'port';
      readonly table: number;
      readonly protocol: number;
      readonly port: number;
      readonly portClass: number;
    }
  /** A backend that frontends lead to by its id. */
  | {
      readonly kind: 'backend';
      readonly id: number;
      readonly address: string;
      readonly port: number;
      readonly frontend: number;
    }
  | { readonly kind: 'backend-gone'; readonly id: number }
  | {
      readonly kind: 'frontend';
      readonly address: string;
      readonly port: number;
      readonly protocol: number;
      readonly id: number;
      readonly flags: number;
      readonly firstSlot: number;
      /** Backend ids. */
      readonly slots: readonly number[];
      readonly affinityS: number;
    }
  | { readonly kind: 'frontend-gone'; readonly address: string; readonly port: number; readonly protocol: number }
  /** A multiple of eight bits. */
  | { readonly kind: 'service-range'; readonly address: string; readonly length: number }
  | {
      readonly kind: 'config';
      readonly generation: number;
      readonly portTable: number;
      readonly isGrace: boolean;
      readonly flags: number;
    }
  /** Only multiples of 7 seconds: no sum of them lies near a timeout, so that the run's own time does not matter. */
  | { readonly kind: 'age'; readonly seconds: number }
  | PacketStep;

export interface PacketStep {
  readonly kind: 'packet';
  readonly hook: 'from_pod' | 'to_pod';
  readonly pod: number;
  readonly entrance: Entrance;
  readonly frame: Uint8Array;
}

export interface Recording {
  readonly title: string;
  readonly steps: readonly Step[];
}

export function recordingText({ title, steps }: Recording): string {
  const lines = steps.map((step) =>
    JSON.stringify(step.kind === 'packet' ? { ...step, frame: Buffer.from(step.frame).toString('hex') } : step),
  );
  return `{\n"title": ${JSON.stringify(title)},\n"steps": [\n${lines.join(',\n')}\n]\n}\n`;
}

export function readRecording(path: string): Recording {
  const { title, steps } = JSON.parse(readFileSync(path, 'utf8')) as {
    title: string;
    steps: readonly (Exclude<Step, PacketStep> | (Omit<PacketStep, 'frame'> & { readonly frame: string }))[];
  };
  return {
    title,
    steps: steps.map((step) =>
      step.kind === 'packet' ? { ...step, frame: new Uint8Array(Buffer.from(step.frame, 'hex')) } : step,
    ),
  };
}
