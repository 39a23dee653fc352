/**
 * Which value of a setting counts: that of the command line, before the environment's, before the file's, before the
 * default. All wrong ones are told together.
 */
import { dirname } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../../lib/errors.ts';
import { type AgentSettings, type Installation, SETTINGS } from '../options.ts';
import { attributeOf, optionOf, type Setting } from './setting.ts';
import { placed, readSettingsFile, type SettingsFile } from './settings-file.ts';

export interface SettingSources {
  /** As commander gives them: text, or a list of texts. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Path of the file, when one is named. */
  readonly file: string | undefined;
  readonly workingDirectory: string;
  readonly installation: Installation;
}

/** Where a value comes from. */
export type Origin =
  | { readonly kind: 'option'; readonly option: string }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'file'; readonly file: string; readonly line: number }
  | { readonly kind: 'default' };

export interface SettledSetting {
  readonly name: string;
  /** In the form of the file. */
  readonly value: unknown;
  readonly origin: Origin;
}

export interface Settled {
  readonly settings: AgentSettings;
  /** In the order of the table. */
  readonly list: readonly SettledSetting[];
}

type Found = Omit<SettledSetting, 'name'>;

/** @throws ConfigError with every wrong or missing setting, a line each. */
export async function settleSettings(sources: SettingSources): Promise<Settled> {
  const table: Readonly<Record<string, Setting<unknown>>> = SETTINGS;
  const file = sources.file === undefined ? undefined : await readSettingsFile(sources.file, Object.keys(table));
  const mistakes: string[] = [];
  const list: SettledSetting[] = [];
  const settings: Partial<Record<string, unknown>> = {};
  for (const [name, setting] of Object.entries(table)) {
    const found = find(name, setting, sources, file);
    if (found === undefined) {
      mistakes.push(`${optionOf(setting)} is missing: use ${setting.expects}`);
      continue;
    }
    list.push({ name, ...found });
    const base = found.origin.kind === 'file' ? dirname(found.origin.file) : sources.workingDirectory;
    const result = setting.schema(z, base).safeParse(found.value);
    if (result.success) settings[name] = result.data;
    else mistakes.push(...result.error.issues.map((issue) => describe(name, setting, found, issue, file)));
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'));
  // Every field of AgentSettings has its entry in the table, whose schema gives its type.
  return { settings: settings as Partial<AgentSettings> as AgentSettings, list };
}

function find(
  name: string,
  setting: Setting<unknown>,
  { options, environment, installation }: SettingSources,
  file: SettingsFile | undefined,
): Found | undefined {
  const read = (value: unknown): unknown =>
    typeof value === 'string' && setting.fromText !== undefined ? setting.fromText(value) : value;
  const option = options[attributeOf(setting)];
  if (option !== undefined) return { value: read(option), origin: { kind: 'option', option: optionOf(setting) } };
  const variable = setting.environment ?? '';
  const text = environment[variable] ?? '';
  if (text !== '') return { value: read(text), origin: { kind: 'environment', variable } };
  if (file?.values.has(name) === true) {
    const origin: Origin = { kind: 'file', file: file.path, line: file.place(name).line };
    return { value: file.values.get(name), origin };
  }
  const fallback: unknown = typeof setting.fallback === 'function' ? setting.fallback(installation) : setting.fallback;
  return fallback === undefined ? undefined : { value: fallback, origin: { kind: 'default' } };
}

function describe(
  name: string,
  setting: Setting<unknown>,
  { value, origin }: Found,
  issue: z.core.$ZodIssue,
  file: SettingsFile | undefined,
): string {
  const steps = issue.path.map(String);
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = [name, ...steps, ...(unknown === undefined ? [] : [unknown])].join('.');
  const part = steps.reduce<unknown>((at, step) => (at as Record<string, unknown> | null)?.[step], value);
  const inside = steps.length === 0 ? '' : ` ${steps.join('.')}:`;
  const words =
    unknown === undefined
      ? `${JSON.stringify(part) ?? 'nothing'}: use ${setting.expects}`
      : `unknown name ${JSON.stringify(unknown)}: use ${setting.expects}`;
  switch (origin.kind) {
    case 'option':
      return `${origin.option}${inside} ${words}`;
    case 'environment':
      return `${origin.variable}${inside} ${words}`;
    case 'file':
      return file === undefined ? words : placed(origin.file, file.place(path), `${name}:${inside} ${words}`);
    case 'default':
      return `${optionOf(setting)}${inside} ${words}`;
  }
}

/** For a person: `--mtu`, `NODE_NAME`, `/etc/sluice/config.yaml:3`, `default`. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case 'option':
      return origin.option;
    case 'environment':
      return origin.variable;
    case 'file':
      return `${origin.file}:${origin.line}`;
    case 'default':
      return 'default';
  }
}
