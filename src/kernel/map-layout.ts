/**
 * How the elements of a map in the kernel are laid out, by the type information that it was made with: a map of another
 * build can be read although its bpf/abi.h is not at hand.
 */
import koffi from 'koffi';
import { type AbiField, readFields } from './bpf-abi.ts';
import type { BpfMap } from './bpf-map.ts';
import { type Btf, readBtf } from './btf.ts';
import { callLibbpfHandle, libbpf } from './libbpf.ts';

export interface MapLayout {
  /** A plain integer is one field without a name. */
  readonly key: readonly AbiField[];
  readonly value: readonly AbiField[];
}

/**
 * Undefined for a map that was made without type information.
 * @throws ObjectFormatError for types that no bpf/abi.h can have, SysError when the kernel refuses.
 */
export function mapLayout(map: BpfMap): MapLayout | undefined {
  const { btfId, btfKeyType, btfValueType } = map.info();
  if (btfId === 0 || btfKeyType === 0 || btfValueType === 0) return undefined;
  const btf = readKernelBtf(btfId, map.name);
  return { key: readFields(btf, btfKeyType), value: readFields(btf, btfValueType) };
}

function readKernelBtf(id: number, mapName: string): Btf {
  const object = `type information ${id} of map ${mapName}`;
  const handle = callLibbpfHandle('btf__load_from_kernel_by_id', object, (lib) => lib.openBtf(id));
  try {
    const size: [number | null] = [null];
    const data = callLibbpfHandle('btf__raw_data', object, (lib) => lib.btfData(handle, size));
    const memory = koffi.view(data, Number(size[0]));
    const btf = readBtf(new Uint8Array(memory));
    // libbpf frees this memory below: nothing may read it later.
    memory.transfer();
    return btf;
  } finally {
    libbpf().freeBtf(handle);
  }
}
