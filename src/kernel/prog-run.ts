/** Runs a tc program on one packet without an interface (BPF_PROG_TEST_RUN): what the kernel would do with it. */
import { callLibbpf, type TestRunOptions } from './libbpf.ts';

export interface ProgRunInput {
  /** An Ethernet frame of at least 14 bytes. */
  readonly packet: Uint8Array;
  /** skb->ifindex: an interface of this thread's network namespace; default: its loopback. */
  readonly ifindex?: number;
  /** skb->ingress_ifindex; 0 (the default): sent by the node itself. */
  readonly ingressIfindex?: number;
  readonly mark?: number;
  /** How often, for durations; default 1. */
  readonly repeat?: number;
}

export interface ProgRunResult {
  /** What the program returned, as a signed number: TC_ACT_UNSPEC is -1. */
  readonly retval: number;
  /** The packet as the program left it. */
  readonly packet: Uint8Array;
  readonly mark: number;
  /** Mean of the runs. */
  readonly durationNs: number;
}

/** Room for what a program may put in front of the packet or behind it. */
const GROWTH_BYTES_MAX = 256;

/** Offsets in struct __sk_buff. */
const SKB_MARK = 8;
const SKB_INGRESS_IFINDEX = 36;
const SKB_IFINDEX = 40;
const SKB_BYTES = 192;

/** sizeof(struct bpf_test_run_opts). */
const OPTIONS_BYTES = 80;

/** @throws SysError: EINVAL packet too short or too long, ENODEV no such interface. */
export function progRun(programFd: number, input: ProgRunInput): ProgRunResult {
  const context = new Uint8Array(SKB_BYTES);
  const view = new DataView(context.buffer);
  view.setUint32(SKB_MARK, input.mark ?? 0, true);
  view.setUint32(SKB_INGRESS_IFINDEX, input.ingressIfindex ?? 0, true);
  view.setUint32(SKB_IFINDEX, input.ifindex ?? 0, true);
  const contextOut = new Uint8Array(SKB_BYTES);
  const packetOut = new Uint8Array(input.packet.length + GROWTH_BYTES_MAX);
  const options: TestRunOptions = {
    sz: OPTIONS_BYTES,
    data_in: input.packet,
    data_out: packetOut,
    data_size_in: input.packet.length,
    data_size_out: packetOut.length,
    ctx_in: context,
    ctx_out: contextOut,
    ctx_size_in: SKB_BYTES,
    ctx_size_out: SKB_BYTES,
    retval: 0,
    repeat: input.repeat ?? 1,
    duration: 0,
    flags: 0,
    cpu: 0,
    batch_size: 0,
  };
  callLibbpf('bpf_prog_test_run_opts', 'program', (lib) => lib.testRun(programFd, options));
  return {
    retval: options.retval | 0,
    packet: packetOut.subarray(0, options.data_size_out),
    mark: new DataView(contextOut.buffer).getUint32(SKB_MARK, true),
    durationNs: options.duration,
  };
}
