/** The rules of lint and what a finding is. */
import type { DryRun } from './dry-run.ts';
import type { Labels, NetworkPolicy } from './model.ts';

export type Severity = 'error' | 'warning' | 'info';

export interface LintRule {
  readonly name: string;
  readonly severity: Severity;
  /** One sentence: what it finds. */
  readonly summary: string;
}

export type LintId =
  | 'SL001'
  | 'SL002'
  | 'SL003'
  | 'SL010'
  | 'SL011'
  | 'SL012'
  | 'SL020'
  | 'SL030'
  | 'SL031'
  | 'SL032'
  | 'SL040'
  | 'SL041'
  | 'SL042'
  | 'SL050'
  | 'SL051'
  | 'SL052'
  | 'SL060'
  | 'SL061'
  | 'SL070'
  | 'SL071'
  | 'SL072'
  | 'SL073';

/** Numbers are never used again for another rule. docs/lint.md has each with an example. */
export const LINT_RULES: Readonly<Record<LintId, LintRule>> = {
  SL001: {
    name: 'invalid-object',
    severity: 'error',
    summary: 'An object cannot be read, or the API server would reject it.',
  },
  SL002: {
    name: 'doubtful-input',
    severity: 'warning',
    summary: 'The input can be read, but perhaps not as it was meant.',
  },
  SL003: {
    name: 'not-enforced',
    severity: 'error',
    summary: 'A kind of policy, a version of one, or a field that Sluice does not enforce.',
  },
  SL010: { name: 'selects-no-pod', severity: 'warning', summary: 'A policy selects no pod.' },
  SL011: { name: 'peer-matches-no-pod', severity: 'info', summary: 'A peer of a rule matches no pod.' },
  SL012: {
    name: 'host-network-pod',
    severity: 'warning',
    summary: 'A policy selects a pod on its node’s network, where policies are not enforced.',
  },
  SL020: {
    name: 'redundant-rule',
    severity: 'warning',
    summary: 'Everything a rule allows is allowed by other rules too.',
  },
  SL030: {
    name: 'implied-ingress',
    severity: 'warning',
    summary: 'A policy with only egress rules and without policyTypes isolates ingress too.',
  },
  SL031: {
    name: 'direction-without-type',
    severity: 'warning',
    summary: 'Rules of a direction that is not among the policyTypes.',
  },
  SL032: {
    name: 'and-or',
    severity: 'info',
    summary: 'A namespaceSelector and a podSelector are two peers (OR) where one (AND) may have been meant.',
  },
  SL040: { name: 'unknown-port-name', severity: 'warning', summary: 'A named port that no pod in question declares.' },
  SL041: {
    name: 'port-name-with-block',
    severity: 'warning',
    summary: 'A named port beside an ipBlock in an egress rule, which matches nothing.',
  },
  SL042: {
    name: 'service-port',
    severity: 'warning',
    summary: 'The number is that of a Service; the pods behind it are reached on another.',
  },
  SL050: { name: 'block-of-pods', severity: 'warning', summary: 'An ipBlock names addresses of pods, which change.' },
  SL051: {
    name: 'block-over-cluster',
    severity: 'info',
    summary: 'An ipBlock also covers pods or nodes of the cluster.',
  },
  SL052: {
    name: 'block-of-services',
    severity: 'warning',
    summary: 'An ipBlock names addresses of Services, which match nothing.',
  },
  SL060: {
    name: 'dns-cut-off',
    severity: 'warning',
    summary: 'Pods whose egress is allowed somewhere cannot ask for names: no rule allows port 53.',
  },
  SL061: { name: 'lockout', severity: 'info', summary: 'Every pod of a namespace is isolated and nothing is allowed.' },
  SL070: {
    name: 'never-reached',
    severity: 'warning',
    summary: 'A rule of a ClusterNetworkPolicy behind others that decide everything it could match.',
  },
  SL071: {
    name: 'priority-tie',
    severity: 'warning',
    summary: 'ClusterNetworkPolicies with one tier and one priority: which comes first is not defined.',
  },
  SL072: {
    name: 'pass-into-nothing',
    severity: 'info',
    summary: 'A Pass that no other policy follows, so it allows.',
  },
  SL073: {
    name: 'denied-to-itself',
    severity: 'info',
    summary: 'A ClusterNetworkPolicy denies a pod what it sends to itself through a Service, which Sluice lets pass.',
  },
};

export interface LintFinding {
  readonly id: LintId;
  /** `namespace/name`, or `cnp:NAME` of a ClusterNetworkPolicy. */
  readonly policy: string;
  /** Field path in the policy; empty: the policy as a whole. */
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

/** A Service as far as lint compares with it. */
export interface LintService {
  readonly namespace: string;
  readonly name: string;
  /** Empty: it selects nothing. */
  readonly selector: Labels;
  /** targetPort undefined: the port. */
  readonly ports: readonly {
    readonly protocol: string;
    readonly port: number;
    readonly targetPort: number | string | undefined;
  }[];
  /** Canonical text. */
  readonly clusterIPs: readonly string[];
}

export interface LintInput {
  readonly services: readonly LintService[];
  readonly dryRun: DryRun;
  /** The policy as it was written; undefined when that is not known. */
  readonly raw: (policy: NetworkPolicy) => Readonly<Record<string, unknown>> | undefined;
  /** Whether the pod's address was made up for it. */
  readonly isMadeUp: (podKey: string) => boolean;
}
