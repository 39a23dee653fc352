import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { EndpointRecords } from '../../../src/agent/endpoint-record.ts';
import { tempFolder } from '../lib/temp-folder.ts';
import { sampleRecord } from './sample-record.ts';

const ADDS_AT_ONCE = 32;

let folder: string;
let records: EndpointRecords;

beforeEach(async () => {
  folder = join(tempFolder(), 'endpoints');
  records = new EndpointRecords(folder);
  await records.load();
});

/** What an agent that starts now reads, and the files it cannot. */
async function reload(): Promise<{ records: EndpointRecords; unreadable: readonly string[] }> {
  const again = new EndpointRecords(folder);
  const unreadable = await again.load();
  return { records: again, unreadable };
}

describe('records', () => {
  test('are known again after a restart, as they were written last', async () => {
    const a = sampleRecord(1, 'a', { state: 'wiring', ifindex: 0 });
    await records.put(a);
    await records.put({ ...a, state: 'ready', ifindex: 7 });
    await records.put(sampleRecord(2, 'b'));
    const { records: again, unreadable } = await reload();
    expect(unreadable).toEqual([]);
    expect(again.list()).toEqual(records.list());
    expect(again.get(a)).toEqual({ ...a, state: 'ready', ifindex: 7 });
  });

  test('that are removed are forgotten, on disk too', async () => {
    const a = sampleRecord(1, 'a');
    await records.put(a);
    await records.remove(a);
    await records.remove(a);
    expect(records.get(a)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
    expect((await reload()).records.list()).toEqual([]);
  });

  test('that could not be written are not known', async () => {
    rmSync(folder, { recursive: true });
    const a = sampleRecord(1, 'a');
    await expect(records.put(a)).rejects.toThrow('ENOENT');
    expect(records.get(a)).toBeUndefined();
    expect(records.list()).toEqual([]);
  });

  test('that leave are known as such, also after a restart, until they are removed', async () => {
    const a = sampleRecord(1, 'a');
    await records.put(a);
    await records.leave(a);
    for (const known of [records, (await reload()).records]) {
      expect(known.get(a)).toBeUndefined();
      expect(known.list()).toEqual([]);
      expect(known.leaving()).toEqual([{ ...a, state: 'removing' }]);
    }
    await records.remove(a);
    expect(records.leaving()).toEqual([]);
    expect((await reload()).records.leaving()).toEqual([]);
  });

  test('that are removed leave the later one of the same attachment alone', async () => {
    const a = sampleRecord(1, 'a');
    const again = { ...a, id: 2 };
    await records.put(a);
    const leaving = await records.leave(a);
    await records.put(again);
    await records.remove(leaving);
    expect(records.get(a)).toEqual(again);
  });

  test('count their changes', async () => {
    const seen = [records.revision];
    await records.put(sampleRecord(1, 'a'));
    seen.push(records.revision);
    await records.remove(sampleRecord(1, 'a'));
    seen.push(records.revision);
    expect(new Set(seen).size).toBe(3);
  });
});

describe('a file that is no record', () => {
  const whole = sampleRecord(3, 'c');

  test.each([
    ['half written', JSON.stringify(whole).slice(0, 40)],
    ['empty', ''],
    ['of another shape', '[]'],
    ['null', 'null'],
    ['without a field', JSON.stringify({ ...whole, mac: undefined })],
    ['with a state that there is not', JSON.stringify({ ...whole, state: 'done' })],
    ['with addresses that are none', JSON.stringify({ ...whole, addresses: null })],
    ['with an address that is none', JSON.stringify({ ...whole, addresses: [1] })],
    ['with an id that is none', JSON.stringify({ ...whole, id: -3 })],
    ['of another endpoint', JSON.stringify({ ...whole, id: 4 })],
  ])('because it is %s is reported, and stays where it is', async (_, text) => {
    await records.put(sampleRecord(1, 'a'));
    writeFileSync(join(folder, '3.json'), text);
    const { records: again, unreadable } = await reload();
    expect(unreadable).toEqual([join(folder, '3.json')]);
    expect(again.list().map(({ id }) => id)).toEqual([1]);
    expect(readFileSync(join(folder, '3.json'), 'utf8')).toBe(text);
  });

  test('but has a name of somebody else is passed over', async () => {
    writeFileSync(join(folder, 'notes.json'), 'mine');
    expect((await reload()).unreadable).toEqual([]);
    expect(readdirSync(folder)).toEqual(['notes.json']);
  });

  test('but was never finished is removed', async () => {
    writeFileSync(join(folder, '5.json.tmp'), '{');
    writeFileSync(join(folder, 'last-id.tmp'), '7');
    expect((await reload()).unreadable).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('ids', () => {
  test('go up, and stay above those the kernel has', async () => {
    expect(await records.nextId(0)).toBe(1);
    expect(await records.nextId(0)).toBe(2);
    expect(await records.nextId(40)).toBe(41);
    expect(await records.nextId(40)).toBe(42);
  });

  test('of many ADDs at one time differ, and all are written down', async () => {
    const ids = await Promise.all(Array.from({ length: ADDS_AT_ONCE }, () => records.nextId(0)));
    expect(new Set(ids).size).toBe(ADDS_AT_ONCE);
    expect(Number(readFileSync(join(folder, 'last-id'), 'utf8'))).toBeGreaterThanOrEqual(Math.max(...ids));
  });

  test('never come back, also when no record of the last one was written', async () => {
    await records.put(sampleRecord(await records.nextId(0), 'a'));
    await records.remove(sampleRecord(1, 'a'));
    expect(await records.nextId(0)).toBe(2);
    expect(await (await reload()).records.nextId(0)).toBeGreaterThan(2);
  });

  test('never come back when more of them were given out than one write allows', async () => {
    for (let i = 0; i < ADDS_AT_ONCE * 4; i++) await records.nextId(0);
    expect(await (await reload()).records.nextId(0)).toBeGreaterThan(ADDS_AT_ONCE * 4);
  });

  test('of records count when the last id is lost, also of those that cannot be read', async () => {
    writeFileSync(join(folder, '8.json'), '{');
    await records.put(sampleRecord(5, 'a'));
    expect(await (await reload()).records.nextId(0)).toBe(9);
  });

  test('go on above the records when the last id cannot be read, which is reported', async () => {
    await records.put(sampleRecord(5, 'a'));
    for (const text of ['', 'garbage', '-1', '1.5', '1e400']) {
      writeFileSync(join(folder, 'last-id'), text);
      const { records: again, unreadable } = await reload();
      expect(unreadable).toEqual([join(folder, 'last-id')]);
      expect(await again.nextId(0)).toBe(6);
    }
  });

  test('are not given out when they cannot be written down', async () => {
    rmSync(folder, { recursive: true });
    await expect(records.nextId(0)).rejects.toThrow('ENOENT');
    mkdirSync(folder);
    expect(await records.nextId(0)).toBe(1);
  });
});
