/** What `sluice explain` says when it is not asked about a port: all that is open. */
import type { LoadedCluster } from '../../cluster/manifests/load-cluster.ts';
import { ConfigError } from '../../lib/errors.ts';
import { PAIRS_MAX } from '../../policy/answer.ts';
import type { DryRun } from '../../policy/dry-run.ts';
import { openParts } from '../../policy/open-ports.ts';
import { labelsOf } from './explanation.ts';
import type { FlowEnd } from './flow-end.ts';
import { formatTable } from './output.ts';

/** As printed with -o json; docs/output.md. */
export interface OpenPortsView {
  readonly from: string;
  readonly to: string;
  readonly open: readonly {
    readonly ports: readonly string[];
    readonly pairs: number;
    readonly sources: readonly string[];
    readonly destinations: readonly string[];
  }[];
  readonly notes: readonly string[];
}

/** Labels of one side that a line names. */
const NAMED_MAX = 4;

/** @throws ConfigError when there is no pair of one family, or there are too many. */
export function viewOpenPorts(dryRun: DryRun, cluster: LoadedCluster, from: FlowEnd, to: FlowEnd): OpenPortsView {
  const pairs = from.cells.length * to.cells.length;
  if (pairs > PAIRS_MAX) {
    throw new ConfigError(
      `${from.text} and ${to.text} make ${pairs} pairs, more than PAIRS_MAX, ${PAIRS_MAX}: ask about less`,
    );
  }
  const parts = openParts(dryRun, from.cells, to.cells);
  if (parts.length === 0) throw new ConfigError(`${from.text} and ${to.text} have no address of a common family`);
  const open = parts.map(({ ports, pairs: own, sources, destinations }) => ({
    ports,
    pairs: own,
    sources: labelsOf(sources, dryRun, cluster),
    destinations: labelsOf(destinations, dryRun, cluster),
  }));
  return { from: from.text, to: to.text, open, notes: [...dryRun.contested(), ...cluster.notes] };
}

export function formatOpenPorts({ open, notes }: OpenPortsView): string {
  const rows = open.map(({ ports, sources, destinations }) => [
    shortList(sources),
    shortList(destinations),
    ports.join(', ') || 'nothing',
  ]);
  const table = formatTable([['FROM', 'TO', 'OPEN'], ...rows]);
  return [table, ...notes.map((note) => `note: ${note}`), 'add --port to see why'].join('\n');
}

function shortList(labels: readonly string[]): string {
  const shown = labels.slice(0, NAMED_MAX).join(', ');
  return labels.length > NAMED_MAX ? `${shown} and ${labels.length - NAMED_MAX} more` : shown;
}
