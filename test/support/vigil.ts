/** Watches while something happens: a flow that is denied stays denied, one that is allowed stays allowed. */
import { UdpFlow } from './flow.ts';
import { NetnsSniffer } from './netns-sniffer.ts';
import type { TestNetns } from './netns.ts';
import type { ProbeTarget } from './probe.ts';
import { SequenceFlow } from './sequence-flow.ts';

const MARK = 'must-not-arrive';
const DENIED_INTERVAL_MS = 2;
/** A new flow each time: what is open for a moment only is met by its first packet. */
const FLOWS_INTERVAL_MS = 50;
const FLOWS_OPEN_MAX = 64;

export interface VigilEnds {
  readonly denied: { readonly from: TestNetns; readonly to: TestNetns; readonly target: ProbeTarget };
  readonly allowed: { readonly from: TestNetns; readonly target: ProbeTarget };
}

export interface VigilResult {
  /** Datagrams of the denied flows that arrived. */
  readonly through: number;
  /** Of the allowed flow, there and back. */
  readonly sent: number;
  readonly lost: number;
}

export async function keepVigil({ denied, allowed }: VigilEnds, work: () => Promise<void>): Promise<VigilResult> {
  using sniffer = new NetnsSniffer(denied.to);
  using steady = await SequenceFlow.echoed(allowed.from, allowed.target);
  using lasting = await UdpFlow.open(denied.from, denied.target);
  const flows: UdpFlow[] = [];
  const sending = setInterval(() => lasting.send(MARK), DENIED_INTERVAL_MS);
  const opening = setInterval(() => {
    void UdpFlow.open(denied.from, denied.target).then((flow) => {
      flow.send(MARK);
      flows.push(flow);
      if (flows.length > FLOWS_OPEN_MAX) flows.shift()?.[Symbol.dispose]();
    });
  }, FLOWS_INTERVAL_MS);
  try {
    await work();
  } finally {
    clearInterval(sending);
    clearInterval(opening);
  }
  const { sent, lost } = await steady.count();
  for (const flow of flows) flow[Symbol.dispose]();
  return { through: sniffer.count(MARK), sent, lost };
}
