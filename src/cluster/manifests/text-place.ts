import { isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from 'yaml';
import type { TextPlace } from '../source.ts';
import { EXCERPT_CHARS_MAX } from './limits.ts';

/** The place of an offset in a text, with its line. */
export function placeAt(text: string, lines: LineCounter, offset: number): TextPlace {
  const { line, col: column } = lines.linePos(Math.min(offset, text.length));
  const start = lines.lineStarts[line - 1] ?? 0;
  const end = text.indexOf('\n', start);
  const whole = text.slice(start, end < 0 ? text.length : end).replace(/\r$/, '');
  return { line, column, excerpt: excerpt(whole, column) };
}

/** The line, cut to EXCERPT_CHARS_MAX around the column, and a caret under it. */
function excerpt(line: string, column: number): string {
  const from = column > EXCERPT_CHARS_MAX ? column - EXCERPT_CHARS_MAX / 2 : 0;
  const shown = line.slice(from, from + EXCERPT_CHARS_MAX).replaceAll('\t', ' ');
  return `${shown}\n${' '.repeat(Math.max(0, column - 1 - from))}^`;
}

/** A quoted key, or a name or index. */
const PATH_STEP = /\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g;

function unquote(text: string): string {
  return text.replaceAll(/\\(.)/g, '$1');
}

/**
 * Where a field stands, by its path (`spec.ingress[0].from`, `metadata.labels["app"]`): its value, or its key when the value spans lines. Of a
 * path that is not there, the deepest part that is.
 */
export function offsetOf(root: Node, path: string): number {
  let node: Node = root;
  let offset = root.range?.[0] ?? 0;
  for (const [, quoted, plain] of path.matchAll(PATH_STEP)) {
    const step = plain ?? unquote(quoted ?? '');
    const found = stepInto(node, step);
    if (found === undefined) break;
    node = found.node;
    offset = found.offset;
  }
  return offset;
}

function stepInto(node: Node, step: string): { node: Node; offset: number } | undefined {
  if (isSeq<Node>(node)) {
    const item = node.items[Number(step)];
    return item === undefined ? undefined : { node: item, offset: item.range?.[0] ?? 0 };
  }
  if (!isMap<Node, Node | null>(node)) return undefined;
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === step);
  if (pair === undefined) return undefined;
  const keyOffset = pair.key.range?.[0] ?? 0;
  const value = pair.value;
  if (value === null) return { node: pair.key, offset: keyOffset };
  const inPlace = isScalar(value) || isAlias(value);
  return { node: value, offset: inPlace ? (value.range?.[0] ?? keyOffset) : keyOffset };
}
