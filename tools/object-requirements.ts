/**
 * What a compiled object asks of the kernel, each with the release that brought it: helpers, map types and flags,
 * instructions. Read from the object alone. It tells what a kernel must know, not whether that kernel's verifier can follow
 * the programs: for that they are loaded (`make test-kernels`).
 *
 * Releases are those of docs/kernels.md, which names its sources. Numbers of helpers, map types and flags are only ever
 * added to. Only those that the object uses are listed here: one that is not has no release until somebody looks it up.
 */
import { readAbi } from '../src/kernel/bpf-abi.ts';
import { readElf } from '../src/kernel/elf.ts';

export interface Requirement {
  /** `helper redirect_peer`, `map type LRU hash`, `instruction: 32-bit jump`. */
  readonly feature: string;
  /** Release of Linux that brought it, such as 5.10; undefined: not known here. */
  readonly since: string | undefined;
}

type Known = readonly [name: string, since: string];

/** By number (enum bpf_func_id). */
const HELPERS: Readonly<Record<number, Known>> = {
  1: ['map_lookup_elem', '3.19'],
  2: ['map_update_elem', '3.19'],
  3: ['map_delete_elem', '3.19'],
  5: ['ktime_get_ns', '4.1'],
  7: ['get_prandom_u32', '4.1'],
  9: ['skb_store_bytes', '4.1'],
  10: ['l3_csum_replace', '4.1'],
  11: ['l4_csum_replace', '4.1'],
  23: ['redirect', '4.4'],
  26: ['skb_load_bytes', '4.5'],
  28: ['csum_diff', '4.6'],
  38: ['skb_change_tail', '4.9'],
  131: ['ringbuf_reserve', '5.8'],
  132: ['ringbuf_submit', '5.8'],
  155: ['redirect_peer', '5.10'],
};

/** By number (enum bpf_map_type). */
const MAP_TYPES: Readonly<Record<number, Known>> = {
  1: ['hash', '3.19'],
  2: ['array', '3.19'],
  6: ['per-CPU array', '4.6'],
  9: ['LRU hash', '4.10'],
  11: ['longest-prefix trie', '4.11'],
  27: ['ring buffer', '5.8'],
};

/** By bit. */
const MAP_FLAGS: Readonly<Record<number, Known>> = {
  0: ['NO_PREALLOC', '4.6'],
  10: ['MMAPABLE', '5.5'],
};

const INSTRUCTION_BYTES = 8;

interface Instruction {
  readonly opcode: number;
  readonly source: number;
  readonly offset: number;
  readonly immediate: number;
}

/** Instructions beyond the first set of 3.18; several may hold for one. */
const INSTRUCTIONS: readonly (Requirement & { readonly matches: (instruction: Instruction) => boolean })[] = [
  { feature: '32-bit jump', since: '5.1', matches: ({ opcode }) => (opcode & 0x07) === 0x06 && opcode !== 0x06 },
  { feature: 'jump backwards (bounded loop)', since: '5.3', matches: (one) => isJump(one) && one.offset < 0 },
  {
    feature: 'atomic operation other than addition',
    since: '5.12',
    matches: ({ opcode, immediate }) => (opcode & 0xe7) === 0xc3 && immediate !== 0,
  },
  // Calls by number 0 are helpers, 1 functions of the object, 2 functions of the kernel.
  { feature: 'function of the object', since: '5.6', matches: ({ opcode, source }) => opcode === 0x85 && source === 1 },
  {
    feature: 'function of the kernel',
    since: undefined,
    matches: ({ opcode, source }) => opcode === 0x85 && source === 2,
  },
  { feature: 'address of a function', since: '5.13', matches: ({ opcode, source }) => opcode === 0x18 && source === 4 },
  { feature: 'long jump', since: '6.6', matches: ({ opcode }) => opcode === 0x06 },
  { feature: 'sign-extending load', since: '6.6', matches: ({ opcode }) => (opcode & 0xe7) === 0x81 },
  {
    feature: 'sign-extending move',
    since: '6.6',
    matches: ({ opcode, offset }) => (opcode === 0xbc || opcode === 0xbf) && offset !== 0,
  },
  { feature: 'unconditional byte swap', since: '6.6', matches: ({ opcode }) => opcode === 0xd7 },
  {
    feature: 'signed division',
    since: '6.6',
    matches: ({ opcode, offset }) => [0x34, 0x37, 0x3c, 0x3f, 0x94, 0x97, 0x9c, 0x9f].includes(opcode) && offset !== 0,
  },
  { feature: 'may_goto', since: '6.9', matches: ({ opcode }) => opcode === 0xe5 },
];

/**
 * Sorted by feature, each once.
 * @throws ObjectFormatError for a file that is no BPF object.
 */
export function readRequirements(object: Uint8Array): readonly Requirement[] {
  const found = new Map<string, Requirement>();
  const add = (kind: string, number: number, known: Known | undefined): void => {
    const feature = `${kind} ${known?.[0] ?? `number ${number}`}`;
    found.set(feature, { feature, since: known?.[1] });
  };
  for (const { type, flags } of readAbi(object).maps) {
    add('map type', type, MAP_TYPES[type]);
    for (let bit = 0; bit < 32; bit += 1) if ((flags >>> bit) & 1) add('map flag', bit, MAP_FLAGS[bit]);
  }
  for (const [name, bytes] of readElf(object).sections) {
    if (name.startsWith('.rodata')) add('constants in', 0, ['a read-only map', '5.2']);
    if (!isCode(name)) continue;
    for (const instruction of instructionsOf(bytes)) {
      const { opcode, source, immediate } = instruction;
      if (opcode === 0x85 && source === 0) add('helper', immediate, HELPERS[immediate]);
      for (const { feature, since, matches } of INSTRUCTIONS) {
        if (matches(instruction)) found.set(`instruction: ${feature}`, { feature: `instruction: ${feature}`, since });
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.feature < b.feature ? -1 : 1));
}

/** Those that a release of Linux, such as 5.15, does not have. */
export function newerThan(requirements: readonly Requirement[], release: string): readonly Requirement[] {
  return requirements.filter(({ since }) => since === undefined || order(since) > order(release));
}

function order(release: string): number {
  const [major = 0, minor = 0] = release.split('.').map(Number);
  return major * 1000 + minor;
}

/** Sections of programs are named by their hook, which never begins with a dot. */
function isCode(section: string): boolean {
  return section === '.text' || !(section.startsWith('.') || section === 'license' || section === 'version');
}

function* instructionsOf(bytes: Uint8Array): Generator<Instruction> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + INSTRUCTION_BYTES <= bytes.length; at += INSTRUCTION_BYTES) {
    const opcode = view.getUint8(at);
    yield {
      opcode,
      source: view.getUint8(at + 1) >> 4,
      offset: view.getInt16(at + 2, true),
      immediate: view.getInt32(at + 4, true),
    };
    // The load of a 64-bit constant takes the place of two.
    if (opcode === 0x18) at += INSTRUCTION_BYTES;
  }
}

/** Of either width, but calls and returns. */
function isJump({ opcode }: Instruction): boolean {
  const isOfJumpClass = (opcode & 0x07) === 0x05 || (opcode & 0x07) === 0x06;
  return isOfJumpClass && (opcode & 0xf0) !== 0x80 && (opcode & 0xf0) !== 0x90;
}
