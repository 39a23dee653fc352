/**
 * Writes dist/sluice: the command line as a few JavaScript files that need Node and koffi, nothing else. What runs in the
 * image is this folder; the sources run as they are everywhere else.
 *
 * - Subcommands stay separate files that are loaded when they run: the client of the API server is the largest of them.
 * - `new URL('<file>', import.meta.url)` is how the sources name a file beside them. A `.ts` file becomes a bundle of its
 *   own (a thread), any other file is copied; both lie beside the bundle, and the URL is changed to say so.
 * - koffi is native: it is copied as a package, with the binary of this machine's architecture only.
 *
 * usage: node tools/bundle.ts [folder]
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { build, type BuildResult, type Plugin } from 'esbuild';
import { lazyNames, lazyPackagePlugin } from './bundle-lazy-package.ts';
import { thirdPartyLicences } from './bundle-licences.ts';
import packageJson from '../package.json' with { type: 'json' };

const ROOT: string = join(import.meta.dirname, '..');
const NEIGHBOUR = /new URL\(\s*'([^']+)',\s*import\.meta\.url,?\s*\)/g;
/** CommonJS packages ask for node's modules by `require`, which a module does not have. */
const REQUIRE = "import{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);";
const OBJECT = 'sluice.bpf.o';
/** Its generated part alone is 15 MB, and a few classes of it are used. */
const CLIENT = '@kubernetes/client-node';

interface Neighbours {
  /** Sources that are started by their path. */
  readonly entries: Set<string>;
  /** Files that are copied. */
  readonly files: Set<string>;
  /** What is used of the client of the API server. */
  readonly clientNames: Set<string>;
}

/** Follows the URLs of the sources, and remembers what they name. */
function neighbourPlugin(found: Neighbours): Plugin {
  return {
    name: 'files beside the sources',
    setup(build) {
      build.onLoad({ filter: /[/\\]src[/\\].*\.ts$/ }, ({ path }) => {
        if (path.includes('node_modules')) return undefined;
        const source = readFileSync(path, 'utf8');
        for (const name of lazyNames(source, CLIENT)) found.clientNames.add(name);
        const contents = source.replace(NEIGHBOUR, (_, name: string) => {
          const file = resolve(dirname(path), name);
          (file.endsWith('.ts') ? found.entries : found.files).add(file);
          return `new URL('./${basename(file).replace(/\.ts$/, '.js')}', import.meta.url)`;
        });
        return { contents, loader: 'ts' };
      });
    },
  };
}

async function bundle(entryPoints: readonly string[], outdir: string, found: Neighbours): Promise<BuildResult> {
  return build({
    entryPoints: [...entryPoints],
    outdir,
    bundle: true,
    splitting: true,
    entryNames: '[name]',
    format: 'esm',
    platform: 'node',
    target: 'node26',
    external: ['koffi'],
    banner: { js: REQUIRE },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    absWorkingDir: ROOT,
    plugins: [neighbourPlugin(found), lazyPackagePlugin(CLIENT, found.clientNames, /polyfill/)],
  });
}

/** Only what runs: its sources in C, its documents and other platforms stay behind. */
function copyKoffi(outdir: string): void {
  const modules = join(ROOT, 'node_modules');
  const native = join('@koromix', `koffi-linux-${arch()}`);
  if (!existsSync(join(modules, native))) throw new Error(`koffi has no binary for linux-${arch()} here: npm ci`);
  const isCode = (path: string): boolean => !/\.[^/]+$/.test(basename(path)) || /\.(js|cjs|json|txt)$/.test(path);
  for (const part of ['package.json', 'LICENSE.txt', 'index.js', 'index.cjs', 'src/koffi']) {
    cpSync(join(modules, 'koffi', part), join(outdir, 'node_modules/koffi', part), { recursive: true, filter: isCode });
  }
  cpSync(join(modules, native), join(outdir, 'node_modules', native), {
    recursive: true,
    filter: (path) => !basename(path).startsWith('musl_'),
  });
}

function copyNeighbours(files: Iterable<string>, outdir: string): void {
  for (const file of files) {
    if (!existsSync(file)) throw new Error(`${relative(ROOT, file)} is not built yet: make bpf launcher`);
    cpSync(file, join(outdir, basename(file)));
  }
}

const outdir = resolve(process.argv[2] ?? join(ROOT, 'dist/sluice'));
rmSync(outdir, { recursive: true, force: true });
mkdirSync(outdir, { recursive: true });
const found: Neighbours = { entries: new Set(), files: new Set(), clientNames: new Set() };
const main = join(ROOT, 'src/main.ts');
// The first pass is only to learn which threads there are, and what is used of the client.
await bundle([main], outdir, found);
rmSync(outdir, { recursive: true });
const { metafile } = await bundle([main, ...found.entries], outdir, found);
if (metafile === undefined) throw new Error('esbuild did not say what it bundled');
if (![...found.files].some((file) => basename(file) === OBJECT)) throw new Error(`no source names ${OBJECT}`);
copyNeighbours(found.files, outdir);
copyKoffi(outdir);
const { name, version, license } = packageJson;
writeFileSync(join(outdir, 'package.json'), `${JSON.stringify({ name, version, license, type: 'module' }, null, 2)}\n`);
cpSync(join(ROOT, 'LICENSE'), join(outdir, 'LICENSE'));
writeFileSync(join(outdir, 'LICENCES-THIRD-PARTY'), thirdPartyLicences(Object.keys(metafile.inputs), ROOT));
