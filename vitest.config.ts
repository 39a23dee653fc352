import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** Suites by what they need: `unit` needs nothing; `root` needs root, a real kernel, and runs one file at a time. */
const config: ViteUserConfig = defineConfig({
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
          // Real sockets and processes beside whatever else the machine does; the reporter shows what needed a second try.
          retry: 1,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
export default config;
