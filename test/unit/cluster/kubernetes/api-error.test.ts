import { expect, test } from 'vitest';
import { errorOfStatus } from '../../../../src/cluster/kubernetes/api-error.ts';
import { RETRY_AFTER_MS_MAX, STATUS_CHARS_MAX } from '../../../../src/cluster/kubernetes/limits.ts';

test('what an error is follows from its status', () => {
  const kinds = [301, 400, 401, 403, 404, 409, 410, 429, 500, 503].map((code) => errorOfStatus({}, code).kind);
  expect(kinds.join(' ')).toBe('refused refused unauthorized forbidden absent conflict gone throttled server server');
});

test('a version of the future is told by the cause of the error, or by its message alone', () => {
  const details = { causes: [{ reason: 'ResourceVersionTooLarge' }] };
  expect(errorOfStatus({ code: 504, details }, 504).kind).toBe('too-new');
  expect(errorOfStatus({ code: 504, message: 'Timeout: Too large resource version: 9, current: 8' }).kind).toBe(
    'too-new',
  );
  expect(errorOfStatus({ code: 504, details: { causes: [null, {}] } }).kind).toBe('server');
});

test('Retry-After is seconds, bounded; anything else is none', () => {
  const waits = ['5', '99999', '-1', 'Wed, 21 Oct 2026 07:28:00 GMT', undefined].map(
    (header) => errorOfStatus({}, 429, header).retryAfterMs,
  );
  expect(waits).toEqual([5_000, RETRY_AFTER_MS_MAX, 0, 0, 0]);
  expect(errorOfStatus({ code: 429, details: { retryAfterSeconds: 2 } }).retryAfterMs).toBe(2_000);
});

test('the words of the server are quoted, but not without end', () => {
  expect(errorOfStatus({ message: 'pods is forbidden' }, 403).message).toBe(
    'the API server answered 403: pods is forbidden',
  );
  expect(errorOfStatus('x'.repeat(1_000), 502).message.length).toBeLessThan(STATUS_CHARS_MAX + 60);
  expect(errorOfStatus(null, 500).message).toBe('the API server answered 500');
});
