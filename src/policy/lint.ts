/**
 * Lint: what the API accepts and probably nobody meant. Each rule looks at a whole cluster and tells what it finds, with
 * the place in the policy and what to do. What validation finds is told by the command, under the first numbers.
 */
import { checkBlocks } from './lint-blocks.ts';
import { checkCluster } from './lint-cluster.ts';
import { checkItself } from './lint-itself.ts';
import { checkPorts } from './lint-ports.ts';
import { checkReach } from './lint-reach.ts';
import { checkRedundancy } from './lint-redundancy.ts';
import { checkSelection } from './lint-selection.ts';
import { checkServices } from './lint-services.ts';
import { checkShape } from './lint-shape.ts';
import type { LintFinding, LintInput } from './lint-rules.ts';

/** Valid policies only: what is wrong with the others has been told. Sorted by policy. */
export function lintPolicies(input: LintInput): readonly LintFinding[] {
  const checks = [
    checkSelection,
    checkRedundancy,
    checkShape,
    checkPorts,
    checkBlocks,
    checkServices,
    checkReach,
    checkCluster,
    checkItself,
  ];
  const findings = checks.flatMap((check) => [...check(input)]);
  return findings.toSorted((a, b) => compare(a.policy, b.policy) || compare(a.id, b.id));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
