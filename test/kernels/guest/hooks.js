/**
 * Loaded before everything else in the guest: `vitest` is the small one beside this file, and `.ts` files are plain modules
 * (their types were taken out when the archive was made; doing it under emulation takes longer than the tests).
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== 'vitest') return next(specifier, context);
    return { url: new URL('vitest.ts', import.meta.url).href, format: 'module', shortCircuit: true };
  },
  load(url, context, next) {
    if (!url.endsWith('.ts')) return next(url, context);
    return { format: 'module', source: readFileSync(fileURLToPath(url), 'utf8'), shortCircuit: true };
  },
});
