import { describe, expect, test } from 'vitest';
import { runInstall } from '../../../src/commands/install.ts';
import { outcomeLines } from '../../../src/commands/uninstall.ts';
import { ConfigError } from '../../../src/lib/errors.ts';

test('sluice install says what there is to install when nothing is asked for', async () => {
  const refused = runInstall({});
  await expect(refused).rejects.toThrow(ConfigError);
  await expect(refused).rejects.toThrow('use --mount-bpf DIR, --cni-bin DIR or both');
});

describe('of what uninstalling looked for, a person sees', () => {
  const nothing = { what: 'launcher /opt/cni/bin/sluice-cni', found: [], remains: [], failure: '' };

  test('that it was not there', () => {
    expect(outcomeLines(nothing)).toEqual(['none     launcher /opt/cni/bin/sluice-cni']);
  });

  test('what is removed, and how much more there was', () => {
    const found = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const lines = outcomeLines({ ...nothing, found });
    expect(lines[0]).toMatch(/^removed /);
    expect(lines.map((line) => line.trim()).slice(1)).toEqual(['a', 'b', 'c', 'd', 'e', '... and 2 more']);
  });

  test('what is still there, and why', () => {
    const lines = outcomeLines({ ...nothing, found: ['a', 'b'], remains: ['b'], failure: 'EBUSY' });
    expect(lines.map((line) => line.trim())).toEqual([
      'NOT GONE launcher /opt/cni/bin/sluice-cni',
      'b',
      'failed: EBUSY',
    ]);
  });

  test('that looking failed, though nothing was seen', () => {
    expect(outcomeLines({ ...nothing, failure: 'EPERM' })).toEqual([
      'FAILED   launcher /opt/cni/bin/sluice-cni',
      '         failed: EPERM',
    ]);
  });
});
