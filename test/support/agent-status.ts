/** What the tests read of GET /v1/status. */
import type { AgentClient } from './agent-client.ts';

interface AgentStatus {
  readonly counters: readonly {
    readonly reason: string;
    readonly direction: 'ingress' | 'egress';
    readonly packets: number | string;
  }[];
}

export class PacketCounts {
  readonly #byReason: ReadonlyMap<string, number>;

  private constructor(byReason: ReadonlyMap<string, number>) {
    this.#byReason = byReason;
  }

  static async read(client: AgentClient): Promise<PacketCounts> {
    const { counters } = (await client.get('/v1/status')) as AgentStatus;
    const byReason = new Map<string, number>();
    for (const { reason, packets } of counters) byReason.set(reason, (byReason.get(reason) ?? 0) + Number(packets));
    return new PacketCounts(byReason);
  }

  /** Packets of both directions; reason as in bpf/abi.h, lower case. */
  of(reason: string): number {
    return this.#byReason.get(reason) ?? 0;
  }
}
