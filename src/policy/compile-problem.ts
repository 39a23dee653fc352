/** What a compile has to say besides its tables. A limit means that the tables must not be applied; nothing else does. */

export type CompileProblem =
  /** A table would not fit into the kernel's. `policies` are the ones that need most of it, most first. */
  | {
      readonly kind: 'limit';
      /** Name in bpf/abi.h. */
      readonly limit: 'LIMIT_PORT_CLASSES' | 'LIMIT_ROWS' | 'LIMIT_PREFIXES' | 'LIMIT_ADDRESSES';
      readonly needed: number;
      readonly available: number;
      readonly policies: readonly string[];
      readonly message: string;
    }
  /** The endpoint is closed until its pod is known. */
  | { readonly kind: 'unknown-pod'; readonly endpoint: number; readonly pod: string; readonly message: string }
  /** The address has more than one claim; see AddressBook for who wins. */
  | {
      readonly kind: 'contested-address';
      readonly address: string;
      /** `pod a/b`, `endpoint 3`, `node`. */
      readonly claimants: readonly string[];
      readonly message: string;
    }
  /** ClusterNetworkPolicies of one tier with one priority: the order of their names decides (CNP-2). Keys, in that order. */
  | { readonly kind: 'priority-tie'; readonly policies: readonly string[]; readonly message: string }
  /** An address or prefix that cannot be read: left out, so nothing is allowed by it. */
  | { readonly kind: 'unreadable'; readonly object: string; readonly text: string; readonly message: string };

/** How many policies a message names. */
export const POLICIES_NAMED = 5;
/** How many contested addresses, how many ties and how many unreadable texts are reported one by one. */
export const PROBLEMS_REPORTED = 100;
