/**
 * A build of Sluice with another ABI, made from the sources as they are: another field in the middle of a flow's value,
 * and longer rows. A tree of its own, so that its agent is started as any other: `node src/main.ts agent` in it.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ledger } from './ledger.ts';
import { runCommand } from './run-command.ts';

const ROOT = join(import.meta.dirname, '../..');
const NODE = join(ROOT, 'node_modules/.bin/node');
const COPIED = ['src', 'bpf', 'tools', 'Makefile', 'package.json', 'package-lock.json', '.prettierrc.json'];
const OBJECT = 'dist/bpf/sluice.bpf.o';

interface Edit {
  readonly find: RegExp;
  readonly replace: (...groups: string[]) => string;
}

/** Of bpf/abi.h. */
const EDITS: readonly Edit[] = [
  {
    find: /(\t__u64 opened_ns [^\n]*\n)(?=\t__u32 egress_epoch)/g,
    replace: (_all, field) => `${field}\t__u64 variant_mark;\n`,
  },
  { find: /(sizeof\(struct flow_value\) == )(\d+)/g, replace: larger(8) },
  {
    find: /(struct row_value \{\n\t__u8 allow\[32\];\n)/g,
    replace: (_all, field) => `${field}\t__u8 pad[32];\n`,
  },
  { find: /(sizeof\(struct row_value\) == )(\d+)/g, replace: larger(32) },
];

/** Returns the root of the tree. @throws Error when the sources are not as the edits expect them. */
export async function makeAbiVariant(ledger: Ledger): Promise<string> {
  const root = ledger.makeDirectory('sluice-variant');
  for (const name of COPIED) cpSync(join(ROOT, name), join(root, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  const header = join(root, 'bpf/abi.h');
  writeFileSync(header, EDITS.reduce(edit, readFileSync(header, 'utf8')));
  mkdirSync(join(root, 'dist'));
  await runCommand('make', ['-C', root, '-o', 'packages', OBJECT]);
  const generated = await runCommand('env', ['-C', root, NODE, 'tools/gen-abi.ts', OBJECT]);
  writeFileSync(join(root, 'src/kernel/abi.gen.ts'), generated);
  return root;
}

function larger(bytes: number): Edit['replace'] {
  return (_all, text, size) => `${text}${Number(size) + bytes}`;
}

function edit(text: string, { find, replace }: Edit): string {
  if (text.match(find)?.length === 1) return text.replace(find, replace);
  throw new Error(`bpf/abi.h does not have ${find} exactly once: the variant has to be written anew`);
}
