/** Which of the agent's findings are about a policy that somebody wrote, and are to be told on that policy. */
import type { ObjectProblem } from '../../cluster/source.ts';
import type { CompileProblem } from '../../policy/compile-problem.ts';
import type { PolicyTrouble } from './policy-events.ts';

const KINDS: ReadonlySet<string> = new Set(['NetworkPolicy', 'ClusterNetworkPolicy']);
/** How the compiler names a ClusterNetworkPolicy among the others. */
const CLUSTER_PREFIX = 'cnp:';

/** Objects that cannot be read as written (alike on every node) and tables that do not fit (this node's). */
export function policyTroubles(
  objectProblems: readonly ObjectProblem[],
  compileProblems: readonly CompileProblem[],
): readonly PolicyTrouble[] {
  const written = objectProblems.flatMap(({ object, severity, path, message, hint }): readonly PolicyTrouble[] => {
    if (object === undefined || !KINDS.has(object.kind)) return [];
    const place = path === '' ? '' : `${path}: `;
    const cure = hint === '' ? '' : ` (${hint})`;
    const reason = severity === 'error' ? 'NotEnforced' : 'Doubtful';
    return [{ object, reason, message: `${place}${message}${cure}`, ofNode: false }];
  });
  const limits = compileProblems.flatMap((problem): readonly PolicyTrouble[] =>
    problem.kind !== 'limit'
      ? []
      : problem.policies.map((key) => ({
          object: referenceOf(key),
          reason: 'NotEnforced' as const,
          message: `${problem.message}; what it newly isolates is closed, what was in force stays`,
          ofNode: true,
        })),
  );
  return [...written, ...limits];
}

function referenceOf(key: string): PolicyTrouble['object'] {
  if (key.startsWith(CLUSTER_PREFIX)) {
    const name = key.slice(CLUSTER_PREFIX.length);
    return { apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy', namespace: '', name };
  }
  const [namespace = '', name = ''] = key.split('/');
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace, name };
}
