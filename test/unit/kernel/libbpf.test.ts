import { expect, test } from 'vitest';
import { openLibrary } from '../../../src/kernel/libbpf.ts';

test('a missing libbpf is an error that names the package to install', () => {
  expect(() => openLibrary('libbpf.so.0.none')).toThrow(
    /^libbpf\.so\.0\.none cannot be loaded \(.*\): install libbpf 1 \(Debian: apt-get install libbpf1\)$/,
  );
});
