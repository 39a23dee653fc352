/** The Services of the input as lint compares policies with them. What is wrong with one has been told by validation. */
import type { LoadedCluster } from '../../cluster/manifests/load-cluster.ts';
import { canonicalAddress } from '../../net/address.ts';
import type { LintService } from '../../policy/lint-rules.ts';
import { isRecord } from '../../policy/validate-place.ts';

export function lintServices({ sources }: LoadedCluster): readonly LintService[] {
  return [...sources.values()].flatMap(({ reference, fields }) => {
    const spec = fields['spec'];
    if (reference.kind !== 'Service' || !isRecord(spec)) return [];
    const { selector, ports, clusterIP, clusterIPs } = spec;
    return {
      namespace: reference.namespace || 'default',
      name: reference.name,
      selector: isRecord(selector) ? readLabels(selector) : {},
      ports: listOf(ports).flatMap(readPort),
      clusterIPs: [clusterIP, ...listOf(clusterIPs)].flatMap((text) =>
        typeof text === 'string' ? (canonicalAddress(text) ?? []) : [],
      ),
    };
  });
}

function readLabels(fields: Readonly<Record<string, unknown>>): LintService['selector'] {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function readPort(value: unknown): LintService['ports'] {
  if (!isRecord(value) || typeof value['port'] !== 'number') return [];
  const { port, protocol, targetPort } = value;
  const isTarget = typeof targetPort === 'number' || typeof targetPort === 'string';
  return [
    { port, protocol: typeof protocol === 'string' ? protocol : 'TCP', targetPort: isTarget ? targetPort : undefined },
  ];
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
