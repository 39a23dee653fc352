import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  conflistText,
  findConflists,
  putConflist,
  readConflistTemplate,
  removeConflist,
} from '../../../../src/agent/install/conflist.ts';
import { tempFolder } from '../../lib/temp-folder.ts';

const DEFAULTS = { instance: 'default', runDir: '/run/sluice', stateDir: '/var/lib/sluice' };
const TEXT = conflistText(readConflistTemplate(), DEFAULTS);

let directory: string;
const names = (): readonly string[] => readdirSync(directory).toSorted();
const place = (instance = 'default'): { directory: string; instance: string } => ({ directory, instance });
const foreign = (name: string, text = name): void => writeFileSync(join(directory, name), text);

beforeEach(() => {
  directory = tempFolder();
});

describe('the text', () => {
  test('is the shipped one for an agent where the launcher looks by itself', () => {
    expect(JSON.parse(TEXT)).toEqual(JSON.parse(readConflistTemplate()));
  });

  test('names instance and folders that the launcher would not guess', () => {
    const agent = { instance: 'b', runDir: '/run/other', stateDir: '/var/lib/sluice' };
    const { plugins } = JSON.parse(conflistText(readConflistTemplate(), agent)) as { plugins: object[] };
    expect(plugins).toMatchObject([{ type: 'sluice-cni', instance: 'b', runDir: '/run/other' }]);
    expect(plugins[0]).not.toHaveProperty('stateDir');
  });
});

describe('putting it there', () => {
  test('CNI-77: leaves one file, readable by all, and none that a runtime could take for another', async () => {
    expect(await putConflist(place(), TEXT)).toEqual({ written: true, movedAside: [] });
    expect(names()).toEqual(['10-sluice.conflist']);
    expect(statSync(join(directory, '10-sluice.conflist')).mode & 0o777).toBe(0o644);
  });

  test('again changes nothing', async () => {
    await putConflist(place(), TEXT);
    const before = statSync(join(directory, '10-sluice.conflist')).ino;
    expect(await putConflist(place(), TEXT)).toEqual({ written: false, movedAside: [] });
    expect(statSync(join(directory, '10-sluice.conflist')).ino).toBe(before);
  });

  test('replaces the one of an older build', async () => {
    foreign('10-sluice.conflist', 'old');
    expect(await putConflist(place(), TEXT)).toMatchObject({ written: true });
    expect(readFileSync(join(directory, '10-sluice.conflist'), 'utf8')).toBe(TEXT);
  });

  test('moves aside what a runtime would use instead, and only that', async () => {
    for (const name of ['05-a.conflist', '10-kindnet.conflist', '06-b.conf', '20-c.conflist', '01-notes.txt'])
      foreign(name);
    expect(await putConflist(place(), TEXT)).toMatchObject({
      movedAside: ['05-a.conflist', '06-b.conf', '10-kindnet.conflist'],
    });
    expect(names()).toEqual([
      '01-notes.txt',
      '05-a.conflist.before-sluice',
      '06-b.conf.before-sluice',
      '10-kindnet.conflist.before-sluice',
      '10-sluice.conflist',
      '20-c.conflist',
    ]);
  });

  test('leaves other instances alone', async () => {
    await putConflist(place(), TEXT);
    expect(await putConflist(place('b'), TEXT)).toMatchObject({ movedAside: [] });
    expect(names()).toEqual(['10-sluice-b.conflist', '10-sluice.conflist']);
  });

  test('says which folder is missing', async () => {
    const missing = { directory: join(directory, 'none'), instance: 'default' };
    await expect(putConflist(missing, TEXT)).rejects.toThrow(`--cni-conf ${directory}/none is no folder`);
  });

  test('leaves nothing half-made when it cannot be written', async () => {
    mkdirSync(join(directory, '10-sluice.conflist'));
    await expect(putConflist(place(), TEXT)).rejects.toThrow('EISDIR');
    expect(names()).toEqual(['10-sluice.conflist']);
  });
});

describe('taking it away', () => {
  test('brings back what was moved aside, as it was', async () => {
    foreign('05-a.conflist', 'theirs');
    chmodSync(join(directory, '05-a.conflist'), 0o600);
    await putConflist(place(), TEXT);
    expect(await findConflists(place())).toEqual(['05-a.conflist.before-sluice', '10-sluice.conflist']);
    expect(await removeConflist(place())).toEqual(['05-a.conflist']);
    expect(names()).toEqual(['05-a.conflist']);
    expect(readFileSync(join(directory, '05-a.conflist'), 'utf8')).toBe('theirs');
    expect(statSync(join(directory, '05-a.conflist')).mode & 0o777).toBe(0o600);
  });

  test('keeps the newer file where its owner has put one there meanwhile', async () => {
    foreign('05-a.conflist', 'old');
    await putConflist(place(), TEXT);
    foreign('05-a.conflist', 'new');
    expect(await removeConflist(place())).toEqual([]);
    expect(names()).toEqual(['05-a.conflist']);
    expect(readFileSync(join(directory, '05-a.conflist'), 'utf8')).toBe('new');
  });

  test('leaves aside what is aside while another instance is installed', async () => {
    foreign('05-a.conflist');
    await putConflist(place(), TEXT);
    await putConflist(place('b'), TEXT);
    expect(await removeConflist(place('b'))).toEqual([]);
    expect(names()).toEqual(['05-a.conflist.before-sluice', '10-sluice.conflist']);
    expect(await removeConflist(place())).toEqual(['05-a.conflist']);
  });

  test('is fine with nothing there, and with no folder', async () => {
    expect(await removeConflist(place())).toEqual([]);
    expect(await findConflists({ directory: join(directory, 'none'), instance: 'default' })).toEqual([]);
  });
});
