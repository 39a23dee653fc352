/** Compiles BPF C for tests, with the flags of the product's object. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HERE = import.meta.dirname;

/** Path of the source of the test object. */
export const PROBE_SOURCE: string = join(HERE, 'probe.bpf.c');

/** The object that clang makes of a file, as bytes. @throws Error with clang's messages. */
export function compileBpfFile(source: string): Uint8Array<ArrayBuffer> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bpf-'));
  const output = join(directory, 'object.o');
  const headers = `/usr/include/${execFileSync('gcc', ['-dumpmachine'], { encoding: 'utf8' }).trim()}`;
  const flags = ['-O2', '-g', '-Wall', '-Werror', '-target', 'bpf', '-mcpu=v3', '-idirafter', headers, '-I', HERE];
  try {
    execFileSync('clang', [...flags, '-c', source, '-o', output], { stdio: ['ignore', 'pipe', 'pipe'] });
    return new Uint8Array(readFileSync(output));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The same for source text; `abi.h` of the product can be included as "../../../bpf/abi.h". */
export function compileBpfText(text: string): Uint8Array<ArrayBuffer> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bpf-'));
  try {
    const source = join(directory, 'text.bpf.c');
    writeFileSync(source, text);
    return compileBpfFile(source);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
