/** What one setting of the agent is: how it is given, what is right, and what it is when nobody gives it. */
import { resolve } from 'node:path';
import type { z, ZodType } from 'zod';

export type Zod = typeof z;

export interface Setting<T> {
  /** As the command line has it: `--mtu <bytes>`; with `...` after the name, several values. */
  readonly flags: string;
  readonly description: string;
  /** What is right, to follow "use". */
  readonly expects: string;
  /** In the form of the file; a function of what the program brings. Undefined: it has to be given. */
  readonly fallback: unknown;
  /**
   * From the form of the file to what the agent works with.
   * @param base relative paths begin there: the folder of the file, or the working directory.
   */
  readonly schema: (z: Zod, base: string) => ZodType<T>;
  /** From the command line, or the environment, to the form of the file. Must not throw. @default the text itself */
  readonly fromText?: (text: string) => unknown;
  /** A variable of the environment, looked at after the command line and before the file. */
  readonly environment?: string;
}

export type SettingsTable<T> = { readonly [K in keyof T]: Setting<T[K]> };

/** `--service-cidr <cidr...>` -> `--service-cidr`. */
export function optionOf({ flags }: Pick<Setting<unknown>, 'flags'>): string {
  return flags.split(' ', 1)[0] ?? flags;
}

/** The name under which commander keeps the option's value: `--service-cidr` -> `serviceCidr`. */
export function attributeOf(setting: Pick<Setting<unknown>, 'flags'>): string {
  return optionOf(setting)
    .slice(2)
    .replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** What holds when nothing is given, as JSON; empty where that says nothing. */
export function fallbackText({ fallback, environment }: Setting<unknown>): string {
  const otherwise = fallback === undefined || typeof fallback === 'function' ? '' : JSON.stringify(fallback);
  const isEmpty = otherwise === '' || otherwise === '[]' || otherwise === '{}';
  return [...(environment === undefined ? [] : [`$${environment}`]), ...(isEmpty ? [] : [otherwise])].join(', else ');
}

/** A number where the text is one; else the text, for the schema to refuse. */
export function numberFromText(text: string): number | string {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : text;
}

/** `true` and `false`; else the text, for the schema to refuse. */
export function booleanFromText(text: string): boolean | string {
  return text === 'true' || (text !== 'false' && text);
}

/** `a=1,b=2` -> an object; a part without a number stays a text, for the schema to refuse. */
export function numbersFromText(text: string): Readonly<Record<string, unknown>> {
  const parts = text.split(',').filter((part) => part !== '');
  return Object.fromEntries(
    parts.map((part) => {
      const [name = '', value = ''] = part.split('=', 2);
      return [name, numberFromText(value)];
    }),
  );
}

/** A path, made absolute. */
export function pathSchema(z: Zod, base: string): ZodType<string> {
  return z
    .string()
    .min(1)
    .transform((path) => resolve(base, path));
}

/** A text of a form of its own; what is right stands in `expects`. @param read gives undefined for what cannot be read. */
export function textSchema<T>(z: Zod, read: (text: string) => T | undefined): ZodType<T> {
  return z.string().transform((text, context) => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: 'cannot be read' });
    return z.NEVER;
  });
}
