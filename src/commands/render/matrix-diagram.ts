/** A matrix as a diagram's source: Mermaid, as Markdown hosts draw it, and Graphviz's DOT. */
import { escapeMermaid, quoteDot } from './escape.ts';
import type { CellView, EndView, MatrixView } from './matrix-view.ts';

interface Edge {
  readonly from: number;
  readonly to: number;
  readonly cell: CellView;
}

/** What passes, one edge a pair. */
export function edgesOf({ ends, cells }: MatrixView): readonly Edge[] {
  return ends.flatMap((_, from) =>
    ends.flatMap((__, to) => {
      const cell = cells[from]?.[to];
      return cell && cell.tone !== 'none' ? [{ from, to, cell }] : [];
    }),
  );
}

export function matrixMermaid(view: MatrixView): string {
  const lines = ['flowchart LR'];
  for (const [namespace, members] of byNamespace(view.ends)) {
    const nodes = members.map((i) => {
      const { name, kind } = view.ends[i]!;
      const label = `"${escapeMermaid(name)}"`;
      return kind === 'outside' ? `n${i}([${label}])` : `n${i}[${label}]`;
    });
    if (namespace === '') lines.push(...nodes.map((node) => `  ${node}`));
    else
      lines.push(
        `  subgraph s${members[0]}["${escapeMermaid(namespace)}"]`,
        ...nodes.map((node) => `    ${node}`),
        '  end',
      );
  }
  for (const { from, to, cell } of edgesOf(view)) {
    const arrow = cell.tone === 'partly' ? '-.->' : cell.tone === 'all' ? '==>' : '-->';
    lines.push(`  n${from} ${arrow}|"${escapeMermaid(cell.text)}"| n${to}`);
  }
  return lines.join('\n');
}

export function matrixDot(view: MatrixView): string {
  const lines = [
    'digraph matrix {',
    '  rankdir=LR;',
    '  node [shape=box, style=rounded, fontname="sans-serif"];',
    '  edge [fontname="sans-serif", fontsize=10];',
  ];
  for (const [namespace, members] of byNamespace(view.ends)) {
    const nodes = members.map((i) => {
      const { name, kind } = view.ends[i]!;
      return `n${i} [label=${quoteDot(name)}${kind === 'outside' ? ', shape=ellipse' : ''}];`;
    });
    if (namespace === '') lines.push(...nodes.map((node) => `  ${node}`));
    else {
      lines.push(
        `  subgraph cluster_${members[0]} {`,
        `    label=${quoteDot(namespace)};`,
        ...nodes.map((node) => `    ${node}`),
        '  }',
      );
    }
  }
  const styles = { all: ', penwidth=2', ports: '', partly: ', style=dashed', none: '' };
  for (const { from, to, cell } of edgesOf(view)) {
    lines.push(`  n${from} -> n${to} [label=${quoteDot(cell.text)}${styles[cell.tone]}];`);
  }
  return [...lines, '}'].join('\n');
}

/** Indexes of ends by namespace; those without one under the empty name, last. */
export function byNamespace(ends: readonly EndView[]): ReadonlyMap<string, readonly number[]> {
  const groups = new Map<string, number[]>();
  for (const [i, { namespace }] of ends.entries()) {
    const group = groups.get(namespace) ?? [];
    groups.set(namespace, group);
    group.push(i);
  }
  return groups;
}
