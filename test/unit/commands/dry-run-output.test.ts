/** Tables, texts and formats that the dry-run commands share. */
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { readFlowRecord } from '../../../src/commands/support/flow-record.ts';
import { readPodCidrs } from '../../../src/commands/support/input.ts';
import { junitXml } from '../../../src/commands/support/junit.ts';
import { formatTable, markdownTable, readFormat, wrap } from '../../../src/commands/support/output.ts';
import { formatRange, rangeOfCidr, withoutRanges } from '../../../src/policy/address-range.ts';
import { parseCidr } from '../../../src/net/cidr.ts';

test('columns are as wide as they need to be, and the last is wrapped to the width', () => {
  const table = formatTable(
    [
      ['A', 'WHY'],
      ['long cell', 'one two three four five six seven'],
    ],
    40,
  );
  expect(stripVTControlCharacters(table)).toBe(
    ['A          WHY', 'long cell  one two three four five six', '           seven'].join('\n'),
  );
});

test('a word longer than the line is not broken', () => {
  expect(wrap('aa bbbbbbbb c', 4)).toEqual(['aa', 'bbbbbbbb', 'c']);
});

test('a bar in a cell does not end it in markdown', () => {
  expect(markdownTable([['a'], ['x|y']])).toBe('| a |\n| --- |\n| x\\|y |');
});

test('a format that a command does not have is answered with those it has', () => {
  expect(() => readFormat('xml', ['table', 'json'])).toThrow('--output "xml": use table or json');
});

test.each([
  [['nonsense'], 'use a CIDR such as 10.244.0.0/16'],
  [['10.0.0.0/8', '10.1.0.0/16'], 'at most one IPv4 and one IPv6 range'],
])('--pod-cidr %j is refused', (texts, message) => {
  expect(() => readPodCidrs(texts)).toThrow(message);
});

describe('ranges of addresses', () => {
  const range = (text: string): ReturnType<typeof rangeOfCidr> => rangeOfCidr(parseCidr(text)!);

  test.each([
    ['10.0.0.0/24', ['10.0.0.0/25'], ['10.0.0.128/25']],
    ['10.0.0.0/24', ['10.0.0.64/26'], ['10.0.0.0/26', '10.0.0.128/25']],
    ['10.0.0.0/24', ['10.0.0.0/8'], []],
    ['10.0.0.0/24', ['fd00::/8', '11.0.0.0/8'], ['10.0.0.0/24']],
    ['10.0.0.0/30', ['10.0.0.1/32'], ['10.0.0.0', '10.0.0.2/31']],
    ['0.0.0.0/0', ['128.0.0.0/2'], ['0.0.0.0/1', '192.0.0.0/2']],
    ['::/0', ['8000::/1'], ['::/1']],
  ])('%s without %j', (whole, holes, parts) => {
    expect(withoutRanges(range(whole), holes.map(range)).map(formatRange)).toEqual(parts);
  });
});

describe('a recorded flow', () => {
  test('of sluice drops', () => {
    const line = JSON.stringify({
      time: '2026-11-24T12:00:00Z',
      reason: 'policy',
      direction: 'ingress',
      verdict: 'deny',
      protocol: 'TCP',
      source: '10.1.0.1',
      sourcePort: 40_000,
      destination: '10.1.0.2',
      destinationPort: 80,
      sourcePod: 'a/b',
      policies: ['a/p'],
      generation: 3,
      suppressed: 0,
      message: '',
    });
    expect(readFlowRecord(line)).toEqual({
      source: '10.1.0.1',
      destination: '10.1.0.2',
      sourcePod: 'a/b',
      destinationPod: undefined,
      protocol: 'TCP',
      destinationPort: 80,
      verdict: 'deny',
    });
  });

  test.each([
    [
      '{"source":"1.1.1.1","destination":"1.1.1.2","verdict":"deny","reason":"malformed"}',
      { skip: 'dropped for another reason than policy: malformed' },
    ],
    ['{"source":"1.1.1.1","destination":"1.1.1.2","protocol":"47"}', { skip: 'protocol 47' }],
    ['{"source":"1.1.1.1","destination":"1.1.1.2"}', { fault: 'destinationPort must be a number from 0 to 65535' }],
    [
      '{"source":"1.1.1.1","destination":"1.1.1.2","destinationPort":"80"}',
      { fault: 'destinationPort must be a number from 0 to 65535' },
    ],
    ['{"source":"1.1.1","destination":"1.1.1.2","destinationPort":80}', { fault: 'source must be an IP address' }],
    ['{"destination":"1.1.1.2","destinationPort":80}', { fault: 'names no source or no destination' }],
    ['{"sourcePod":7,"destination":"1.1.1.2","destinationPort":80}', { fault: 'sourcePod must be namespace/name' }],
    [
      '{"source":"1.1.1.1","destination":"1.1.1.2","destinationPort":80,"verdict":"maybe"}',
      { fault: 'verdict must be allow or deny' },
    ],
    ['[]', { fault: 'is no JSON object' }],
    ['{', { fault: 'is no JSON' }],
  ])('%s', (line, expected) => {
    expect(readFlowRecord(line)).toEqual(expected);
  });
});

test('JUnit holds what XML cannot, without harm', () => {
  const trouble = { kind: 'failure', message: 'a "b" <c> & \u0000', text: ']]>' } as const;
  const xml = junitXml([{ name: 's', file: 'f', cases: [{ name: 'n', classname: 'c', trouble }] }]);
  expect(xml).toContain('message="a &quot;b&quot; &lt;c&gt; &amp; ?"');
  expect(xml).toContain(']]&gt;');
  expect(xml).not.toContain('\u0000');
});
