/** Services in the kernel through the real resolver and datapath, with the flows of two endpoints, in nanoseconds a packet. */
import { execFileSync } from 'node:child_process';
import type { EndpointWiring } from '../../src/datapath/datapath.ts';
import { parseAddress } from '../../src/net/address.ts';
import { hashTuple, slotOf } from '../../src/service/choose.ts';
import { makeServiceDelta } from '../../src/service/delta.ts';
import { ServiceResolver } from '../../src/service/resolve.ts';
import { makeServiceTables } from '../../src/service/tables.ts';
import { OPEN_PORTS, podAddress, SMALL } from './cluster.ts';
import { compiledTool } from './compiled-tool.ts';
import { FRAME_BYTES, framesOf, makeRandom, TcpFlag, type Tuple } from './frames.ts';
import { clusterIpOf, ENDPOINTS_PER_SERVICE, SERVICE_PORT, serviceChanges } from './services.ts';
import type { LoadedBeside, TableHost } from './table-host.ts';

/** Of a size and kind, in every round. */
export const FLOWS = 10_000;
const SEED = 20_261_125;
const SOURCE_PORT_FIRST = 1024;
const TARGET_PORT = OPEN_PORTS.first + 1000;

export interface Cost {
  readonly established: number;
  readonly opening: number;
}

export interface EventCost {
  readonly resolveMs: number;
  readonly applyMs: number;
  /** Of all threads, while it is brought in force. */
  readonly cpuMs: number;
  readonly writes: number;
}

/** So many Services in the kernel, and the flows of one endpoint to them. */
export class ServiceBench {
  readonly name: string;
  readonly #host: TableHost;
  readonly #programs: LoadedBeside;
  readonly #resolver = new ServiceResolver({ location: { node: '', zone: '' } });
  readonly #services: number;
  readonly #random: ReturnType<typeof makeRandom> = makeRandom(SEED);

  private constructor(services: number, host: TableHost) {
    this.name = services === 1 ? '1 Service' : `${services} Services`;
    this.#services = services;
    this.#host = host;
    this.#programs = host.loadPrograms('timed');
  }

  static async load(services: number, host: TableHost): Promise<ServiceBench> {
    await host.load(SMALL);
    const bench = new ServiceBench(services, host);
    for (let index = 0; index < services; index += 1) bench.#change(index, ENDPOINTS_PER_SERVICE);
    await host.datapath.applyServices(makeServiceTables(bench.#resolver.resolve(), []));
    return bench;
  }

  /** Mean nanoseconds of a packet, through Services or straight to the pods behind them. */
  cost(isDirect: boolean): Cost {
    const { fromPod, toPod } = this.#programs;
    // Another endpoint each: from one they would get into each other's way.
    const wiring = this.#host.wirings[isDirect ? 1 : 0]!;
    const flows = this.#flows(wiring.addresses[0]!, isDirect);
    const opening = this.#send(fromPod, wiring, flows.sent, TcpFlag.SYN);
    this.#send(toPod, wiring, flows.answers, TcpFlag.SYN | TcpFlag.ACK, true);
    // The first packet after the answer moves the client's entry among the answered flows, once in its life.
    this.#send(fromPod, wiring, flows.sent, TcpFlag.ACK);
    return { opening, established: this.#send(fromPod, wiring, flows.sent, TcpFlag.ACK) };
  }

  /** An endpoint of a Service goes, and comes again. */
  async event(round: number): Promise<EventCost> {
    this.#change(Math.floor(round / 2) % this.#services, ENDPOINTS_PER_SERVICE - (round % 2 === 0 ? 1 : 0));
    const start = performance.now();
    const delta = makeServiceDelta(this.#resolver.resolve());
    const resolved = performance.now();
    const cpu = process.cpuUsage();
    const { writes } = await this.#host.datapath.applyServices(delta);
    const { user, system } = process.cpuUsage(cpu);
    const applyMs = performance.now() - resolved;
    return { resolveMs: resolved - start, applyMs, cpuMs: (user + system) / 1000, writes };
  }

  #change(index: number, endpoints: number): void {
    const list = Array.from({ length: endpoints }, (_, i) => ({
      address: podAddress(SMALL.endpoints + ((index * 7 + i) % (SMALL.pods - SMALL.endpoints))),
      port: TARGET_PORT,
    }));
    for (const change of serviceChanges(index, list)) this.#resolver.update(change);
  }

  #flows(source: string, isDirect: boolean): { readonly sent: readonly Tuple[]; readonly answers: readonly Tuple[] } {
    const pairs = Array.from({ length: FLOWS }, () => {
      const service = this.#random(this.#services);
      const localPort = SOURCE_PORT_FIRST + this.#random(65_536 - SOURCE_PORT_FIRST);
      const frontend = this.#resolver.frontend(clusterIpOf(service), SERVICE_PORT, 'TCP')!;
      const tuple = { source, sourcePort: localPort, destinationPort: SERVICE_PORT, protocol: 'TCP' } as const;
      const slot = frontend.slots[slotOf(hashTuple(tuple), frontend.slots.length)];
      const backend = frontend.backends.find(({ id }) => id === slot)!;
      const answer = { peer: numberOf(backend.address), localPort, peerPort: backend.port };
      return {
        sent: isDirect ? answer : { peer: numberOf(frontend.address), localPort, peerPort: SERVICE_PORT },
        answer,
      };
    });
    return { sent: pairs.map(({ sent }) => sent), answers: pairs.map(({ answer }) => answer) };
  }

  /** Two flows with one source port and one backend are led apart, and answers to the second are another flow's. */
  #send(pin: string, wiring: EndpointWiring, tuples: readonly Tuple[], flags: number, isReply = false): number {
    const input = framesOf(tuples, wiring, flags, isReply);
    const inside = [`--net=${this.#host.netns.path}`, compiledTool('run-frames'), pin];
    const text = execFileSync('nsenter', [...inside, String(wiring.ifindex), String(FRAME_BYTES), '1'], {
      input,
      encoding: 'utf8',
    });
    const run = JSON.parse(text) as { runs: number; nanoseconds: number; dropped: number };
    if (run.dropped > tuples.length / 20) throw new Error(`${this.name}: ${run.dropped} frames were dropped`);
    return run.nanoseconds / run.runs;
  }
}

function numberOf(address: string): number {
  return new DataView(parseAddress(address)!.bytes.buffer).getUint32(0);
}
