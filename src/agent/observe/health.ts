/**
 * What /healthz and /readyz say, and why. Not healthy: starting the process anew may help. Not ready: it does not, or not
 * yet, do its work. An API server that is away is neither: the last known state stays enforced.
 */
import type { AgentState } from '../status.ts';

/** A step of the reconciler may take so long before it is taken for stuck. A first compile of the largest cluster takes 10 s. */
export const STEP_MS_MAX = 120_000;

export interface HealthInput {
  readonly state: AgentState;
  /** How long changes have been waiting without any being brought in force, milliseconds; 0 when none waits. */
  readonly waitingMs: number;
}

export interface Health {
  /** Empty: healthy. One sentence each. */
  readonly unhealthy: readonly string[];
  /** Empty: ready. */
  readonly notReady: readonly string[];
}

export function judgeHealth({ state, waitingMs }: HealthInput): Health {
  const { tables, source } = state;
  const unhealthy =
    waitingMs > STEP_MS_MAX && tables.failure === ''
      ? [`changes have been waiting for ${Math.round(waitingMs / 1000)} s, and no step has ended`]
      : [];
  const notReady: string[] = [];
  if (!source.synced) {
    notReady.push(`the desired state was not seen whole yet${source.fault === '' ? '' : `: ${source.fault}`}`);
  }
  if (source.synced && tables.realized === 0) {
    notReady.push(`no tables are in force yet${tables.failure === '' ? '' : `: ${tables.failure}`}`);
  }
  if (!state.ready && notReady.length === 0) notReady.push('CNI requests are not served yet');
  if (state.ready && tables.failure !== '') notReady.push(`the newest state is not in force: ${tables.failure}`);
  if (state.ready && state.podCIDRs.length === 0) {
    notReady.push(`node ${state.node} has no podCIDR: no pod can get an address`);
  }
  return { unhealthy, notReady: [...unhealthy, ...notReady] };
}

/** Follows how long changes wait; call it with each look. */
export class WaitClock {
  #realized = -1;
  #sinceMs = 0;

  /** @returns milliseconds since changes wait without progress, as far as the looks can tell. */
  look(tables: AgentState['tables'], nowMs: number): number {
    if (tables.realized !== this.#realized || tables.realized >= tables.submitted) {
      this.#realized = tables.realized;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs;
  }
}

/** For a person with curl: `ok`, or one reason a line. */
export function healthText(reasons: readonly string[]): string {
  return reasons.length === 0 ? 'ok\n' : `${reasons.join('\n')}\n`;
}
