import { defineConfig } from 'vitest/config';

/** Suites by what they need: `unit` and `property` need nothing, `kernel`, `netns` and `e2e` need root and a real kernel. */
export default defineConfig({
  test: {
    pool: 'forks',
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/{unit,golden,property}/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'root',
          include: ['test/{kernel,netns,e2e}/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
