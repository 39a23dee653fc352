import { expect, test } from 'vitest';
import { RealizeTimer, TIMED_MAX } from '../../../../src/agent/observe/realize-timer.ts';
import { FakeClock } from '../../lib/fake-clock.ts';

test('each change is timed once, from its own moment', () => {
  const clock = new FakeClock();
  const seen: [number, boolean][] = [];
  const timer = new RealizeTimer({ clock, observe: (seconds, hasPodAddress) => seen.push([seconds, hasPodAddress]) });
  timer.submitted(1, false);
  clock.advance(1000);
  timer.submitted(2, true);
  clock.advance(500);
  timer.submitted(3, false);
  timer.realized(2);
  expect(seen).toEqual([
    [1.5, false],
    [0.5, true],
  ]);
  timer.realized(2);
  clock.advance(250);
  timer.realized(3);
  expect(seen.slice(2)).toEqual([[0.25, false]]);
});

test('a burst is timed up to its bound', () => {
  const clock = new FakeClock();
  let seen = 0;
  const timer = new RealizeTimer({ clock, observe: () => (seen += 1) });
  for (let sequence = 1; sequence <= TIMED_MAX + 50; sequence++) timer.submitted(sequence, false);
  timer.realized(TIMED_MAX + 50);
  expect(seen).toBe(TIMED_MAX);
});
