export const TEST_FILES: readonly string[] = ['test/netns/wiring.test.ts'];
