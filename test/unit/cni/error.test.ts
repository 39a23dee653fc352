import { expect, test } from 'vitest';
import { CniCode, CniError, encodeCniError, httpStatus, toCniError } from '../../../src/cni/error.ts';

test('CNI-60: the error object has version, code, message and details, and is one line', () => {
  const text = encodeCniError(new CniError(CniCode.invalidConfig, 'a "b"\nc', 'd'), '1.0.0');
  expect(text).toBe('{"cniVersion":"1.0.0","code":7,"msg":"a \\"b\\"\\nc","details":"d"}\n');
});

test('CNI-61: an unknown error becomes code 999 that points into the log and keeps its message to it', () => {
  const cause = new Error('secret at /a/path');
  const told = toCniError(cause, '"request":7');
  expect(told).toMatchObject({ code: 999, cause });
  expect(`${told.message} ${told.details}`).not.toContain('secret');
  expect(told.details).toContain('"request":7');
});

test('a CniError stays what it is', () => {
  const error = new CniError(CniCode.tryAgain, 'later');
  expect(toCniError(error, 'x')).toBe(error);
});

test('no error has the status of success', () => {
  for (const code of Object.values(CniCode)) expect(httpStatus(code)).toBeGreaterThanOrEqual(400);
});
