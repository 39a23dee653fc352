/**
 * /v1/realized: whether this node enforces one policy in one version, asked by `sluice wait` through the API server. It
 * answers once everything that was seen up to the question is in force, or why it is not.
 */
import { errorMessage } from '../../lib/errors.ts';
import type { AgentState } from '../status.ts';
import { formatProblem, type ObjectProblem } from '../../cluster/source.ts';
import { type HealthAnswer, type HealthRoute, refusal } from './health-server.ts';

export interface PolicyVersion {
  readonly uid: string;
  /** metadata.generation: counts the changes of spec. */
  readonly generation: number;
}

export interface RealizedAnswer {
  readonly node: string;
  /** not-seen: this node has not heard of that version (yet); the rest is as it says. */
  readonly state: 'realized' | 'not-seen' | 'not-realized';
  /** Why not; empty otherwise. */
  readonly reason: string;
}

export interface RealizedParts {
  /** The version that the source has seen last; undefined: none. */
  readonly seenVersion: (kind: string, namespace: string, name: string) => PolicyVersion | undefined;
  /** Resolves when everything seen so far is in force; rejects when it cannot be. */
  readonly settle: () => Promise<void>;
  readonly state: () => AgentState;
}

const KINDS: ReadonlySet<string> = new Set(['NetworkPolicy', 'ClusterNetworkPolicy']);

export function realizedRoute(parts: RealizedParts): HealthRoute {
  return async (query) => {
    const kind = query.get('kind') ?? '';
    const name = query.get('name') ?? '';
    const uid = query.get('uid') ?? '';
    const generation = Number(query.get('generation') ?? NaN);
    if (!KINDS.has(kind) || name === '' || uid === '' || !Number.isSafeInteger(generation)) {
      return refusal(400, 'needed: kind (NetworkPolicy or ClusterNetworkPolicy), namespace, name, uid, generation');
    }
    const namespace = query.get('namespace') ?? '';
    return json(await judge(parts, { kind, namespace, name, uid, generation }));
  };
}

interface Question extends PolicyVersion {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

async function judge(parts: RealizedParts, asked: Question): Promise<RealizedAnswer> {
  const { node } = parts.state();
  const seen = parts.seenVersion(asked.kind, asked.namespace, asked.name);
  if (seen?.uid !== asked.uid || seen.generation < asked.generation) {
    return { node, state: 'not-seen', reason: 'the watch has not brought this version yet' };
  }
  try {
    await parts.settle();
  } catch (error) {
    return { node, state: 'not-realized', reason: errorMessage(error) };
  }
  const problem = parts.state().objectProblems.find((candidate) => isAbout(candidate, asked));
  return problem === undefined
    ? { node, state: 'realized', reason: '' }
    : { node, state: 'not-realized', reason: formatProblem(problem) };
}

/** A warning is enforced all the same. */
function isAbout({ severity, object }: ObjectProblem, asked: Question): boolean {
  return (
    severity === 'error' &&
    object?.kind === asked.kind &&
    object.namespace === asked.namespace &&
    object.name === asked.name
  );
}

function json(answer: RealizedAnswer): HealthAnswer {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(answer)}\n` };
}
