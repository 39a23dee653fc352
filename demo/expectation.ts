/** What the oracle, which reads policies literally and shares no code with the compiler, says of every probe. */
import { loadManifests } from '../src/cluster/manifests/load-manifests.ts';
import { changeCluster, emptyCluster, evaluateFlow, type OracleCluster } from '../src/policy/oracle.ts';
import type { Check, End } from '../test/support/reachability.ts';
import type { ProbedPort } from './scenario.ts';

const FAMILIES = [4, 6] as const;

/** The cluster as the folders of manifests describe it. @throws Error when one of them is wrong. */
export async function readCluster(folders: readonly string[]): Promise<OracleCluster> {
  const { changes, problems } = await loadManifests(folders);
  if (problems.length > 0) {
    const lines = problems.map(({ file, path, message }) => `${file ?? ''} ${path}: ${message}`);
    throw new Error(`the manifests have problems:\n${lines.join('\n')}`);
  }
  return changes.reduce(changeCluster, emptyCluster(''));
}

/** Every ordered pair on every port in both families, but for pairs that no pod is part of. */
export function expectAll(cluster: OracleCluster, ends: readonly End[], ports: readonly ProbedPort[]): Check[] {
  return ends.flatMap((from) =>
    ends
      .filter((to) => to.netns !== from.netns)
      .flatMap((to) =>
        ports.flatMap(({ protocol, port }) =>
          FAMILIES.map((family): Check => {
            const isAllowed = allows(cluster, addressOf(from, family), addressOf(to, family), protocol, port);
            return { from, to, family, protocol, port, isAllowed };
          }),
        ),
      ),
  );
}

function allows(
  cluster: OracleCluster,
  source: string,
  destination: string,
  protocol: 'TCP' | 'UDP',
  destinationPort: number,
): boolean {
  const { egress, ingress } = evaluateFlow(cluster, { source, destination, protocol, destinationPort });
  return egress !== 'deny' && ingress !== 'deny';
}

function addressOf(end: End, family: 4 | 6): string {
  return family === 4 ? end.addresses.ipv4 : end.addresses.ipv6;
}
