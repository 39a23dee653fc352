import { describe, expect, test } from 'vitest';
import { mergeFlow } from '../../../../src/datapath/ebpf/flow-merge.ts';
import {
  decodeFlowValue,
  FLOW_VALUE_SIZE,
  FlowFlag,
  FlowPath,
  type FlowValue,
  TcpFlag,
} from '../../../../src/kernel/abi.gen.ts';

const SECOND = 1_000_000_000n;

function flow(fields: Partial<FlowValue>): FlowValue {
  const zero = decodeFlowValue(new DataView(new ArrayBuffer(FLOW_VALUE_SIZE)), 0);
  return {
    ...zero,
    lastSeenNs: 100n * SECOND,
    openedNs: 90n * SECOND,
    path: FlowPath.PEER,
    openerTcp: TcpFlag.TCP_SEEN_SYN | TcpFlag.TCP_SEEN_ACK,
    responderTcp: TcpFlag.TCP_SEEN_ACK,
    flags: FlowFlag.FLOW_ANSWERED,
    openerEndpoint: 7,
    responderEndpoint: 8,
    ...fields,
  };
}

describe('mergeFlow', () => {
  test('an entry that says everything already is given back as it is', () => {
    const own = flow({ egressEpoch: 5 });
    expect(mergeFlow(own, flow({ egressEpoch: 3 }))).toBe(own);
  });

  test('of one opening, marks are put together and epochs and charge stay as this build has them', () => {
    const own = flow({ egressEpoch: 5, lastSeenNs: 101n * SECOND });
    const other = flow({ egressEpoch: 3, responderTcp: TcpFlag.TCP_SEEN_FIN, flags: FlowFlag.FLOW_CHARGED });
    expect(mergeFlow(own, other)).toMatchObject({
      egressEpoch: 5,
      lastSeenNs: 101n * SECOND,
      responderTcp: TcpFlag.TCP_SEEN_ACK | TcpFlag.TCP_SEEN_FIN,
      flags: FlowFlag.FLOW_ANSWERED,
    });
  });

  test('an entry made from the middle of a flow gives way to the one that saw it open', () => {
    const opened = flow({ openedNs: 99n * SECOND });
    const middle = flow({
      openedNs: 100n * SECOND,
      lastSeenNs: 100n * SECOND,
      path: FlowPath.STACK,
      opener: 1,
      openerEndpoint: 8,
      responderEndpoint: 7,
      openerTcp: TcpFlag.TCP_SEEN_FIN,
      responderTcp: 0,
    });
    const merged = { ...opened, responderTcp: TcpFlag.TCP_SEEN_ACK | TcpFlag.TCP_SEEN_FIN };
    expect(mergeFlow(middle, opened)).toEqual(merged);
    expect(mergeFlow(opened, middle)).toEqual(merged);
  });

  test.each([
    ['with a SYN', { openedNs: 100n * SECOND }],
    ['after a pause', { openedNs: 103n * SECOND, openerTcp: 0 }],
    ['by another endpoint', { openedNs: 100n * SECOND, openerTcp: 0, openerEndpoint: 9 }],
  ])('a later opening %s is a flow of its own', (_how, fields) => {
    const later = flow({ ...fields, lastSeenNs: 104n * SECOND });
    expect(mergeFlow(later, flow({}))).toBe(later);
    expect(mergeFlow(flow({}), later)).toBe(later);
  });
});
