/** Kernel memory of maps, as the kernel counts it. */
import { readFileSync } from 'node:fs';

/** Bytes of the map behind an open descriptor of this process: its elements as they are now, tables and bookkeeping. */
export function mapBytes(fd: number): number {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  const [, bytes] = /^memlock:\s*([0-9]+)$/m.exec(text) ?? [];
  if (bytes === undefined) throw new Error(`descriptor ${fd} is no map's: the kernel tells no memlock of it`);
  return Number(bytes);
}
