/**
 * What commands print in the documentation, made by the commands themselves: a line `<!-- sluice ARGUMENTS -->` in front of a
 * code block says which; pictures are listed here. With --check it fails where a document shows anything else.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const DOCUMENTS = ['README.md', 'docs/*.md', 'examples/*.md'];
const PICTURES: Readonly<Record<string, string>> = {
  'docs/pictures/shop.svg': 'matrix -f examples/shop -o svg',
  'docs/pictures/recipes.svg':
    'matrix -f examples/recipes/pods.yaml -f examples/recipes/allow-from-namespace/policy.yaml -o svg',
};
/** The comment, an empty line or none, and the block behind it. */
const EXAMPLE = /<!-- sluice ([^\n]+) -->\n\n?(```\w*\n)([\s\S]*?)(```)/g;

/** @throws Error when the command fails otherwise than by saying no. */
function run(line: string): string {
  const args = line.match(/"[^"]*"|\S+/g)?.map((word) => word.replaceAll('"', '')) ?? [];
  const env = { ...process.env, NO_COLOR: '1' };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/main.ts', ...args], {
    cwd: ROOT,
    env,
    encoding: 'utf8',
  });
  if (status !== 0 && status !== 1) throw new Error(`sluice ${line} ended with ${status}: ${stderr}`);
  return stdout.endsWith('\n') ? stdout : `${stdout}\n`;
}

/** By file: what it is to hold. */
function* made(): Generator<readonly [string, string]> {
  for (const file of globSync(DOCUMENTS, { cwd: ROOT }).sort()) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const next = text.replaceAll(EXAMPLE, (_, line: string, open: string, __: string, close: string) => {
      const command = open === '```\n' ? `$ sluice ${line}\n` : '';
      return `<!-- sluice ${line} -->\n\n${open}${command}${run(line)}${close}`;
    });
    if (EXAMPLE.test(text)) yield [file, next];
    EXAMPLE.lastIndex = 0;
  }
  for (const [file, line] of Object.entries(PICTURES)) yield [file, run(line)];
}

const stale: string[] = [];
for (const [file, text] of made()) {
  const path = join(ROOT, file);
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
  stale.push(file);
  if (process.argv.includes('--check')) continue;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
if (process.argv.includes('--check') && stale.length > 0) {
  throw new Error(`${stale.join(', ')}: the commands print something else by now; make docs mends it`);
}
