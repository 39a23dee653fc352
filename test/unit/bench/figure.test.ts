import { expect, test } from 'vitest';
import { atLeast, atMost, plainFigure, ratioFigure, standing } from '../../../bench/support/figure.ts';
import { formatNumber, renderMarkdown, renderTable } from '../../../bench/support/table.ts';

const latency = { name: 'latency', unit: 'us', must: atMost(1), aim: atMost(0.8) };

test.each([
  [[8], 'aim'],
  [[9], 'must'],
  [[10], 'must'],
  [[11], 'short'],
])('a ratio stands by its own limits: %j of 10 is %s', (samples, expected) => {
  expect(standing(ratioFigure(latency, samples, { name: 'routed', samples: [10] }))).toBe(expected);
});

test('a limit from below is met by more', () => {
  const throughput = { name: 'throughput', unit: 'Gbit/s', must: atLeast(1) };
  expect(standing(ratioFigure(throughput, [12], { name: 'routed', samples: [10] }))).toBe('must');
  expect(standing(ratioFigure(throughput, [9], { name: 'routed', samples: [10] }))).toBe('short');
});

test('without a reference the value itself is held against the limits', () => {
  expect(standing(plainFigure({ name: 'writes', unit: '', aim: atMost(1) }, [1]))).toBe('aim');
  expect(standing(plainFigure({ name: 'writes', unit: '', aim: atMost(1) }, [3]))).toBe('short');
});

test('nothing was asked of a figure without limits', () => {
  expect(standing(plainFigure({ name: 'memory', unit: 'MiB' }, [100]))).toBe('shown');
});

test('the median of the rounds decides, and the table shows how far half of them lie apart', () => {
  const figure = ratioFigure(latency, [9, 10, 30, 9, 9], { name: 'routed', samples: [10, 10, 10, 10, 10] });
  expect(standing(figure)).toBe('must');
  expect(renderTable([figure])).toContain('9 us      10 us (routed)  0.900 [0.900-1]');
});

test('a figure that falls short is marked as such, also in Markdown', () => {
  const figure = ratioFigure(latency, [12], { name: 'routed', samples: [10] });
  expect(renderTable([figure])).toMatch(/SHORT$/);
  expect(renderMarkdown([figure])).toContain('| latency | 12 us | 10 us (routed) | 1.20 | <= 1 | <= 0.800 | SHORT |');
});

test('notes stand below the table', () => {
  const lines = renderTable([plainFigure({ name: 'memory', unit: 'MiB', note: 'of one process' }, [1])]).split('\n');
  expect(lines.at(-1)).toBe('  memory: of one process');
});

test.each([
  [0.12345, '0.123'],
  [1.2345, '1.23'],
  [12.345, '12.3'],
  [123.45, '123'],
  [12345.6, '12,346'],
  [7, '7'],
])('%d is written as %s', (value, text) => {
  expect(formatNumber(value)).toBe(text);
});
