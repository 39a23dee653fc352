/** The compiled eBPF programs as a file: checked before anything of the node is touched. */
import { readFileSync } from 'node:fs';
import { ABI_HASH } from '../kernel/abi.gen.ts';
import { readAbi } from '../kernel/bpf-abi.ts';
import { ConfigError, errorMessage } from '../lib/errors.ts';

const CURE = 'use the sluice.bpf.o that was built with this program';

/** @throws ConfigError for a file that cannot be read, is no such object, or belongs to another build. */
export function readObjectFile(path: string): Uint8Array {
  const bytes = read(path);
  let hash: string;
  try {
    hash = readAbi(bytes).hash;
  } catch (error) {
    throw new ConfigError(`--object ${path} holds no programs of Sluice (${errorMessage(error)}): ${CURE}`, {
      cause: error,
    });
  }
  if (hash === ABI_HASH) return bytes;
  throw new ConfigError(
    `--object ${path} was compiled from another bpf/abi.h (${hash}, this program has ${ABI_HASH}): ${CURE}`,
  );
}

function read(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigError(`--object ${path} cannot be read (${errorMessage(error)}): ${CURE}`, { cause: error });
  }
}
