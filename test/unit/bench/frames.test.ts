import { expect, test } from 'vitest';
import { framesOf, FRAME_BYTES, makeRandom, randomTuples, shuffled, TcpFlag } from '../../../bench/support/frames.ts';
import { SMALL } from '../../../bench/support/cluster.ts';
import { ethernet, frame, macBytes, tcp } from '../../support/packet.ts';

const wiring = {
  id: 1,
  ifindex: 5,
  addresses: ['10.0.0.0'],
  mac: '02:00:00:00:00:01',
  hostMac: '02:00:00:00:01:01',
  noPeer: false,
};
const tuple = { peer: 0x0a000102, localPort: 4000, peerPort: 80 };

test('a frame is what the packet builder of the tests makes of the same fields', () => {
  const expected = frame({
    source: '10.0.0.0',
    destination: '10.0.1.2',
    sourceMac: wiring.mac,
    destinationMac: wiring.hostMac,
    protocol: 6,
    payload: tcp(4000, 80, TcpFlag.SYN),
  });
  expect(framesOf([tuple], wiring, TcpFlag.SYN)).toEqual(expected);
});

test('a reply is the same with its ends turned round', () => {
  const reply = framesOf([tuple], wiring, TcpFlag.ACK, true);
  expect(reply.subarray(0, 6)).toEqual(macBytes(wiring.mac));
  const expected = frame({
    source: '10.0.1.2',
    destination: '10.0.0.0',
    sourceMac: wiring.hostMac,
    destinationMac: wiring.mac,
    protocol: 6,
    payload: tcp(80, 4000, TcpFlag.ACK),
  });
  expect(reply).toEqual(expected);
  expect(ethernet(wiring.mac, wiring.hostMac, 0x0800, reply.subarray(14))).toEqual(reply);
});

test('many frames lie one after the other', () => {
  const bytes = framesOf([tuple, tuple], wiring, TcpFlag.ACK);
  expect(bytes.length).toBe(2 * FRAME_BYTES);
  expect(bytes.subarray(FRAME_BYTES)).toEqual(bytes.subarray(0, FRAME_BYTES));
});

test('the same seed gives the same tuples, half of them to pods of other nodes', () => {
  const tuples = randomTuples(SMALL, 1000, makeRandom(7));
  expect(randomTuples(SMALL, 1000, makeRandom(7))).toEqual(tuples);
  const toPods = tuples.filter(({ peer }) => peer >>> 24 === 10);
  expect(toPods).toHaveLength(500);
  expect(toPods.every(({ peer }) => (peer & 0xffff) >= SMALL.endpoints && (peer & 0xffff) < SMALL.pods)).toBe(true);
});

test('shuffling keeps every item and changes their order', () => {
  const items = Array.from({ length: 100 }, (_, index) => index);
  const result = shuffled(items, makeRandom(7));
  expect(result).not.toEqual(items);
  expect(result.toSorted((a, b) => a - b)).toEqual(items);
});
