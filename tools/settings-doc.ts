/**
 * The table of settings in docs/configuration.md, from src/agent/options.ts.
 *   node tools/settings-doc.ts           print it
 *   node tools/settings-doc.ts --write   put it into the document
 */
import { readFile, writeFile } from 'node:fs/promises';
import { SETTINGS } from '../src/agent/options.ts';
import { fallbackText, optionOf, type Setting } from '../src/agent/settings/setting.ts';

const DOCUMENT = new URL('../docs/configuration.md', import.meta.url);
const BEGIN = '<!-- settings: written by tools/settings-doc.ts -->\n\n';
const END = '\n<!-- end of settings -->';

export function settingsTable(): string {
  const rows = Object.entries<Setting<unknown>>(SETTINGS).map(([name, setting]) => [
    `\`${name}\``,
    `\`${optionOf(setting)}\``,
    defaultCell(setting),
    setting.description,
    setting.expects,
  ]);
  const all = [['In the file', 'Option', 'Default', 'What it is', 'What is right'], ...rows].map((row) =>
    row.map((cell) => cell.replaceAll('|', '\\|').replaceAll('<', '&lt;')),
  );
  const widths = (all[0] ?? []).map((_, column) => Math.max(3, ...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - cell.length)).join(' | ')} |\n`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |\n`;
  return line(all[0] ?? []) + rule + all.slice(1).map(line).join('');
}

/** The document with the table as it is now. @throws Error when it has no place for it. */
export function withTable(document: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new Error(`docs/configuration.md has no "${BEGIN.trim()}" and "${END.trim()}"`);
  return document.slice(0, begin + BEGIN.length) + settingsTable() + document.slice(end);
}

function defaultCell(setting: Setting<unknown>): string {
  const text = fallbackText(setting);
  if (setting.fallback === undefined) return text === '' ? 'needed' : `\`${text}\`, needed`;
  return text === '' ? '' : `\`${text}\``;
}

if (import.meta.main) {
  if (process.argv[2] === '--write') await writeFile(DOCUMENT, withTable(await readFile(DOCUMENT, 'utf8')));
  else console.log(settingsTable());
}
