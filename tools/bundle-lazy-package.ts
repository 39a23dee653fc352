/**
 * `import()` of a package takes all of it into the bundle, because what is used of it is not known before it runs. Of
 * packages that are named here, only the names count that the sources take apart at once:
 * `const { A, B: C } = await import('package')`. Everything else of the package stays out.
 */
import type { OnResolveResult, Plugin, PluginBuild } from 'esbuild';

const NAMESPACE = 'names-of-package';
const RESOLVED = Symbol('resolved');

/**
 * Names that `source` takes of the package.
 * @throws Error when it imports it lazily in a form that does not say which names.
 */
export function lazyNames(source: string, packageName: string): readonly string[] {
  const imports = source.split(`import('${packageName}')`).length - 1;
  const taken = [...source.matchAll(/\{([^{}]*)\}\s*=\s*await import\('([^']+)'\)/g)]
    .filter(([, , name]) => name === packageName)
    .map(([, names]) => names ?? '');
  if (taken.length < imports) throw new Error(`import('${packageName}') must be taken apart: const { A } = await ...`);
  return taken.flatMap((names) => names.split(',').flatMap((name) => name.split(':')[0]?.trim() || []));
}

/**
 * @param names those that are used, of all sources.
 * @param sideEffects files of the package that count for what they do when they are loaded.
 */
export function lazyPackagePlugin(packageName: string, names: ReadonlySet<string>, sideEffects: RegExp): Plugin {
  const inside = `/node_modules/${packageName}/`;
  return {
    name: `parts of ${packageName}`,
    setup(build) {
      build.onResolve({ filter: new RegExp(`^${packageName}$`) }, ({ path, kind, resolveDir }) =>
        kind === 'dynamic-import' ? { path, namespace: NAMESPACE, pluginData: resolveDir } : undefined,
      );
      build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path, pluginData }) => ({
        contents: `export { ${[...names].toSorted().join(', ')} } from ${JSON.stringify(path)};`,
        resolveDir: String(pluginData),
      }));
      build.onResolve({ filter: /^\./ }, async ({ path, importer, resolveDir, kind, pluginData }) => {
        if (pluginData === RESOLVED || !importer.includes(inside) || sideEffects.test(path)) return undefined;
        return withoutSideEffects(build, path, { importer, resolveDir, kind, pluginData: RESOLVED });
      });
    },
  };
}

async function withoutSideEffects(
  build: PluginBuild,
  path: string,
  options: Parameters<PluginBuild['resolve']>[1],
): Promise<OnResolveResult> {
  const resolved = await build.resolve(path, options);
  return { path: resolved.path, errors: resolved.errors, sideEffects: false };
}
