import { beforeEach, describe, expect, test } from 'vitest';
import { OVERLAY_MS_MAX, OVERLAY_PODS_MAX } from '../../../../src/cluster/kubernetes/limits.ts';
import { PodOverlay } from '../../../../src/cluster/kubernetes/pod-overlay.ts';
import type { Pod } from '../../../../src/policy/model.ts';
import { makePod } from '../../../support/policy-builders.ts';

const KEY = 'shop/web';
const POD: Pod = makePod('web');
const identity = (resourceVersion: string, uid = 'ours'): { key: string; uid: string; resourceVersion: string } => ({
  key: KEY,
  uid,
  resourceVersion,
});

let overlay: PodOverlay;

beforeEach(() => {
  overlay = new PodOverlay();
  overlay.put(identity('20'), POD, 0);
});

describe('a pod that the watch has not brought', () => {
  test('rule 1: is held while earlier versions of it come', () => {
    expect(overlay.see('set', identity('18'))).toBe(false);
    expect(overlay.see('set', identity('9'))).toBe(false);
    expect(overlay.has(KEY)).toBe(true);
  });

  test.each(['20', '21', '100', 'opaque'])('rule 2: is let go when version %s comes', (version) => {
    overlay.see('set', identity('18'));
    expect(overlay.see('set', identity(version))).toBe(true);
    expect(overlay.has(KEY)).toBe(false);
  });

  test('rule 2: is let go when its deletion comes', () => {
    expect(overlay.see('delete', identity('25'))).toBe(true);
  });

  test('rules 1 and 2: what comes of another pod of the name is older before it was seen, and newer afterwards', () => {
    expect(overlay.see('set', identity('15', 'theirs'))).toBe(false);
    expect(overlay.see('delete', identity('16', 'theirs'))).toBe(false);
    expect(overlay.see('set', identity('18'))).toBe(false);
    expect(overlay.see('set', identity('30', 'next'))).toBe(true);
  });

  test('is no concern of other pods', () => {
    expect(overlay.see('delete', { key: 'shop/db', uid: 'ours', resourceVersion: '25' })).toBe(false);
  });

  test.each<[string, number, boolean, string | undefined, boolean]>([
    ['in time, whatever else', OVERLAY_MS_MAX - 1, false, 'ours', false],
    ['with an endpoint, while the watch does not have it', OVERLAY_MS_MAX, true, undefined, false],
    ['with an endpoint, while the watch has another', OVERLAY_MS_MAX, true, 'theirs', false],
    ['without an endpoint', OVERLAY_MS_MAX, false, undefined, true],
    ['that the watch has, with versions that stay lower', OVERLAY_MS_MAX, true, 'ours', true],
  ])('rules 3 and 4: %s', (_, nowMs, isLocal, watchedUid, isOver) => {
    const gone = overlay.expire(
      nowMs,
      () => isLocal,
      () => watchedUid,
    );
    expect(gone).toEqual(isOver ? [KEY] : []);
    expect(overlay.has(KEY)).toBe(!isOver);
  });
});

test('pods that are held are limited in number', () => {
  for (let i = overlay.size; i < OVERLAY_PODS_MAX; i++) {
    expect(overlay.isFull).toBe(false);
    overlay.put({ key: `shop/p${i}`, uid: 'u', resourceVersion: '1' }, POD, 0);
  }
  expect(overlay.isFull).toBe(true);
});
