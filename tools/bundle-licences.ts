/** The licences of the packages whose code is in a bundle: they ask to go along with it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGE = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//;
const LICENCE_FILE = /^(licen[cs]e|copying|notice)/i;

interface PackageJson {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
}

/**
 * @param inputs paths of bundled files, relative to `root`.
 * @throws Error for a package that says nothing of its licence.
 */
export function thirdPartyLicences(inputs: readonly string[], root: string): string {
  const folders = new Set(inputs.flatMap((path) => PACKAGE.exec(path)?.[1] ?? []));
  return [...folders]
    .toSorted()
    .map((folder) => licenceOf(join(root, folder)))
    .join('\n');
}

function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageJson;
  const file = existsSync(folder) ? readdirSync(folder).find((entry) => LICENCE_FILE.test(entry)) : undefined;
  if (license === undefined && file === undefined) throw new Error(`${folder} does not say under which licence it is`);
  const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  return `---- ${name} ${version} (${license ?? 'see below'})\n${text}`;
}
