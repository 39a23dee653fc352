/** The test files that run in the guest, in this order; paths from the root of the repository. */
export const TEST_FILES: readonly string[] = [
  'test/kernel/programs.test.ts',
  'test/kernel/packets.test.ts',
  'test/kernels/guest/contract.test.ts',
  'test/kernels/guest/traffic.test.ts',
  'test/netns/netlink-filter.test.ts',
  'test/netns/netlink-ip.test.ts',
  'test/netns/netlink-link.test.ts',
];
