import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAcknowledgement } from '../../../src/kernel/netlink/failure.ts';
import { Attributes, type Message, NetlinkFormatError, splitMessages } from '../../../src/kernel/netlink/reader.ts';
import { MessageWriter } from '../../../src/kernel/netlink/writer.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('attributes carry their length and are padded to four bytes', () => {
  const body = new MessageWriter().attributeText(3, 'eth0').attributeU8(5, 7).attributeU32(4, 1500).finish();
  expect(hex(body)).toBe('090003006574683000000000050005000700000008000400dc050000');
});

test('a nested attribute spans what is written until its end', () => {
  const body = new MessageWriter().nest(18).attributeText(1, 'veth').nest(2).attributeU32(1, 1).end().end().finish();
  const info = Attributes.parse(body).nested(18)!;
  expect(info.text(1)).toBe('veth');
  expect(info.nested(2)!.u32(1)).toBe(1);
  expect(hex(body.subarray(0, 4))).toBe('1c001280');
});

test('an attribute without a value is left out', () => {
  const writer = new MessageWriter().attribute(1, undefined).attributeU32(2, undefined).attributeText(3, undefined);
  expect(writer.finish()).toHaveLength(0);
});

test('a writer grows beyond its first buffer and keeps what it has', () => {
  const writer = new MessageWriter();
  for (let i = 0; i < 1000; i++) writer.u32(i);
  const body = writer.finish();
  expect(body).toHaveLength(4000);
  expect(new DataView(body.buffer).getUint32(3996, true)).toBe(999);
});

test('unbalanced nesting and attributes that do not fit are refused', () => {
  expect(() => new MessageWriter().end()).toThrow('end without nest');
  expect(() => new MessageWriter().nest(1).finish()).toThrow('nest without end');
  expect(() => new MessageWriter().attribute(1, new Uint8Array(65_533))).toThrow(RangeError);
});

test('every list of attributes is read as it was written', () => {
  const attribute = fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 70 }));
  const list = fc.uniqueArray(attribute, { selector: ([type]) => type });
  fc.assert(
    fc.property(list, (attributes) => {
      const writer = new MessageWriter();
      for (const [type, value] of attributes) writer.attribute(type, value);
      const read = Attributes.parse(writer.finish());
      for (const [type, value] of attributes) expect(read.bytes(type)).toEqual(value);
    }),
  );
});

test('bytes of any kind are read or refused with their place, never read past their end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const read of [() => splitMessages(bytes), () => Attributes.parse(bytes)]) {
        try {
          read();
        } catch (error) {
          expect(error).toBeInstanceOf(NetlinkFormatError);
        }
      }
    }),
    { numRuns: 1000 },
  );
});

test('a value that is too short for its number is refused', () => {
  const read = Attributes.parse(new MessageWriter().attributeU8(1, 3).finish());
  expect(read.u8(1)).toBe(3);
  expect(() => read.u32(1)).toThrow(NetlinkFormatError);
});

function errorMessage(flags: number, errno: number, quoted: Uint8Array, attributes: Uint8Array): Message {
  const header = new MessageWriter()
    .u32(16 + quoted.length)
    .u16(16)
    .u16(5)
    .u32(1)
    .u32(0)
    .finish();
  const body = new MessageWriter()
    .u32(-errno >>> 0)
    .bytes(header)
    .bytes(quoted)
    .bytes(attributes)
    .finish();
  return { type: 2, flags, sequence: 1, body };
}

const TEXT = new MessageWriter().attributeText(1, 'Invalid scope').attributeU32(2, 24).finish();

test('an acknowledgement of a failure has the errno, the text and the place in the request', () => {
  const capped = errorMessage(0x300, 22, new Uint8Array(), TEXT);
  expect(readAcknowledgement(capped, true)).toEqual({ errno: 22, hint: 'Invalid scope, at byte 24 of the message' });
});

test('the text of an acknowledgement is found behind a quoted request', () => {
  const quoting = errorMessage(0x200, 22, new Uint8Array(20), TEXT);
  expect(readAcknowledgement(quoting, true).hint).toContain('Invalid scope');
});

test('an acknowledgement of success has errno 0 and no text', () => {
  const done = errorMessage(0x100, 0, new Uint8Array(), new Uint8Array());
  expect(readAcknowledgement(done, true)).toEqual({ errno: 0, hint: '' });
});
