/**
 * From the elements of a map of another build to those of the map of the same name of this one. Both layouts are read
 * from the type information in the kernel, so that no build has to know another.
 */
import { MapUpdate } from '../../kernel/bpf-map-spec.ts';
import type { BpfMap } from '../../kernel/bpf-map.ts';
import { type MapLayout, mapLayout } from '../../kernel/map-layout.ts';
import { isSysError } from '../../lib/errors.ts';
import { viewOf } from './codecs.ts';
import { type FieldCopy, LayoutError, namesOf, planFieldCopy } from './field-copy.ts';

export interface MapCopy {
  readonly key: FieldCopy;
  readonly value: FieldCopy;
  readonly from: MapLayout;
  readonly to: MapLayout;
}

/**
 * @param required fields of the new value that mean nothing as zero.
 * @throws LayoutError naming the map and why its elements cannot become those of the other.
 */
export function planMapCopy(from: BpfMap, to: BpfMap, required: readonly string[]): MapCopy {
  try {
    const [old, layout] = [layoutOf(from), layoutOf(to)];
    const lost = namesOf(old.key).find((name) => !namesOf(layout.key).includes(name));
    if (lost !== undefined)
      throw new LayoutError(`the key has no field ${lost} any more, so two keys could become one`);
    return {
      key: planFieldCopy(old.key, layout.key, namesOf(layout.key)),
      value: planFieldCopy(old.value, layout.value, required),
      from: old,
      to: layout,
    };
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    throw new LayoutError(`the map pinned at ${from.name} cannot be converted: ${error.message}`, { cause: error });
  }
}

/** Elements that the new map does not have, as they are. */
export function copyAbsent(from: BpfMap, to: BpfMap): void {
  const plan = planMapCopy(from, to, []);
  const { keys, values, count } = convertAll(from, to, plan);
  for (let index = 0; index < count; index += 1) {
    addIfAbsent(to, element(keys, index, to.keySize), element(values, index, to.valueBytes));
  }
}

/** Flat arrays, as a snapshot has them. */
export interface Converted {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
}

/** @param wants by an old value and where it starts. @default all of them */
export function convertAll(
  from: BpfMap,
  to: BpfMap,
  { key, value }: MapCopy,
  wants: (values: DataView, offset: number) => boolean = () => true,
): Converted {
  const old = from.snapshot();
  const view = viewOf(old.values);
  const keys = new Uint8Array(old.count * to.keySize);
  const values = new Uint8Array(old.count * to.valueBytes);
  let count = 0;
  for (let index = 0; index < old.count; index += 1) {
    if (!wants(view, index * from.valueBytes)) continue;
    key(old.keys, index * from.keySize, keys, count * to.keySize);
    value(old.values, index * from.valueBytes, values, count * to.valueBytes);
    count += 1;
  }
  return {
    count,
    keys: keys.subarray(0, count * to.keySize),
    values: values.subarray(0, count * to.valueBytes),
  };
}

export function element(bytes: Uint8Array, index: number, size: number): Uint8Array {
  return bytes.subarray(index * size, (index + 1) * size);
}

/** Programs may have added it since it was looked for: theirs is newer. */
export function addIfAbsent(map: BpfMap, key: Uint8Array, value: Uint8Array): void {
  try {
    map.update(key, value, MapUpdate.NEW);
  } catch (error) {
    if (!isSysError(error, 'EEXIST')) throw error;
  }
}

function layoutOf(map: BpfMap): MapLayout {
  const layout = mapLayout(map);
  if (layout === undefined) throw new LayoutError(`map ${map.name} has no type information`);
  return layout;
}
