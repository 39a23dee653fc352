/** The recipes do what they say, policy test by policy test, and lint has nothing against them. */
import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { sluice } from './cli-runner.ts';

const ROOT = join(import.meta.dirname, '../..');
const RECIPES = globSync('examples/recipes/*/policy.yaml', { cwd: ROOT }).map((path) => dirname(path));

test('every policy test of the examples is met', async () => {
  const { exitCode, stdout, stderr } = await sluice(['test', 'examples', '-o', 'json']);
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  const { tests } = JSON.parse(stdout) as { tests: { name: string; results: unknown[] }[] };
  for (const recipe of RECIPES) expect(tests.map(({ name }) => name)).toContain(recipe.split('/').at(-1));
  for (const { results } of tests) expect(results.length).toBeGreaterThan(0);
});

test('lint has no error and no warning for the shop', async () => {
  const { exitCode, stdout } = await sluice(['lint', '-f', 'examples/shop']);
  expect(stdout).toContain('4 policies: no findings');
  expect(exitCode).toBe(0);
});

test('every recipe can be compiled', async () => {
  const files = RECIPES.flatMap((recipe) => ['-f', `${recipe}/policy.yaml`]);
  const { exitCode, stderr } = await sluice(['compile', '-f', 'examples/recipes/pods.yaml', ...files]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
});
