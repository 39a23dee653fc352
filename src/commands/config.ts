/** `sluice config`: the settings that `sluice agent` would have with the same options, and where each comes from. */
import { stringify } from 'yaml';
import { originText, type SettledSetting } from '../agent/settings/settle.ts';
import { ConfigError } from '../lib/errors.ts';
import { settleFrom, type SettingOptions } from './support/agent-settings.ts';

export type ConfigOptions = SettingOptions & { readonly output: string };

const FORMATS: Readonly<Record<string, (list: readonly SettledSetting[]) => string>> = {
  table: formatTable,
  json: (list) =>
    JSON.stringify(Object.fromEntries(list.map(({ name, value, origin }) => [name, { value, origin }])), undefined, 2),
  yaml: formatYaml,
};

export async function runConfig(options: ConfigOptions, object: string): Promise<void> {
  const format = Object.hasOwn(FORMATS, options.output) ? FORMATS[options.output] : undefined;
  if (format === undefined)
    throw new ConfigError(`--output ${JSON.stringify(options.output)}: use table, json or yaml`);
  const { list } = await settleFrom(options, object);
  console.log(format(list));
}

function formatTable(list: readonly SettledSetting[]): string {
  const rows = list.map(({ name, value, origin }) => [name, valueText(value), originText(origin)] as const);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map(([name, value, origin]) => `${name.padEnd(widths[0] ?? 0)}  ${value.padEnd(widths[1] ?? 0)}  ${origin}`)
    .join('\n');
}

/** A file that `--config` takes; it says the same again. */
function formatYaml(list: readonly SettledSetting[]): string {
  return list
    .map(({ name, value, origin }) => `# ${originText(origin)}\n${stringify({ [name]: value }).trimEnd()}`)
    .join('\n');
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
