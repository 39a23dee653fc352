/**
 * What a document says in a way that is wrong, or that others read otherwise: keys that a map has twice, and plain values which
 * YAML 1.1, and so kubectl, reads as something else than YAML 1.2. One walk for both, without recursion: a large input is
 * mostly this walk, and how deep it is nested is not its reader's limit.
 *
 * The library compares each key of a map with each other, which takes minutes where a map has fifty thousand; it is told not to.
 */
import { type Document, isMap, isPair, isScalar, isSeq, type Pair, Scalar } from 'yaml';

export interface DoubtfulNode {
  readonly offset: number;
  readonly message: string;
}

export interface DoubtfulNodes {
  /** At most as many as were asked for. */
  readonly repeatedKeys: readonly DoubtfulNode[];
  readonly ambiguousValues: readonly DoubtfulNode[];
}

const BOOLEAN_IN_1_1 = /^(yes|no|on|off)$/i;
const OCTAL_IN_1_1 = /^[-+]?0[0-7_]+$/;
/** Of the longest word of BOOLEAN_IN_1_1. */
const BOOLEAN_CHARS_MAX = 3;

export function findDoubtfulNodes(documents: readonly Document.Parsed[], repeatedMax: number): DoubtfulNodes {
  const repeatedKeys: DoubtfulNode[] = [];
  const ambiguousValues: DoubtfulNode[] = [];
  const open: unknown[] = documents.map(({ contents }) => contents);
  while (open.length > 0) {
    const node = open.pop();
    if (isMap(node)) {
      if (repeatedKeys.length < repeatedMax) addRepeated(node.items, repeatedKeys, repeatedMax);
      for (const { key, value } of node.items) {
        if (!isScalar(key)) open.push(key);
        if (value !== null) open.push(value);
      }
    } else if (isSeq(node)) {
      for (const item of node.items) open.push(item);
    } else if (isPair(node)) {
      open.push(node.value);
    } else if (isScalar(node)) {
      const message = ambiguityOf(node);
      if (message !== undefined) ambiguousValues.push({ offset: offsetOf(node), message });
    }
  }
  const byOffset = (a: DoubtfulNode, b: DoubtfulNode): number => a.offset - b.offset;
  return { repeatedKeys: repeatedKeys.sort(byOffset), ambiguousValues: ambiguousValues.sort(byOffset) };
}

function addRepeated(items: readonly Pair[], found: DoubtfulNode[], most: number): void {
  const seen = new Set<unknown>();
  for (const { key } of items) {
    if (!isScalar(key)) continue;
    const { size } = seen;
    if (seen.add(key.value).size > size) continue;
    if (found.length === most) return;
    found.push({ offset: offsetOf(key), message: `Map keys must be unique: ${String(key.value)} is there twice` });
  }
}

function ambiguityOf({ type, source }: Scalar): string | undefined {
  if (type !== Scalar.PLAIN || source === undefined) return undefined;
  if (source.length <= BOOLEAN_CHARS_MAX && BOOLEAN_IN_1_1.test(source))
    return `${source} is the word "${source}" here and a boolean to kubectl`;
  return OCTAL_IN_1_1.test(source) ? `${source} is decimal here and octal to kubectl` : undefined;
}

function offsetOf({ range }: Scalar): number {
  return range?.[0] ?? 0;
}
