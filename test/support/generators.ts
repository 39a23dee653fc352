/**
 * Entry to what generates clusters, policies and flows for property tests. Alphabets are small, so that things collide:
 * generator-alphabet.ts has them.
 */
export {
  LOCAL_NODE,
  NODE_PLACES,
  OUTSIDE_ADDRESSES,
  STRAY_POD_ADDRESSES,
  UNKNOWN_POD_ADDRESSES,
} from './generator-alphabet.ts';
export {
  changesArb,
  clusterArb,
  initialChangesArb,
  namespaceArb,
  nodeArb,
  podArb,
  scenarioArb,
} from './generator-cluster.ts';
export { clusterPolicyArb, clusterPolicyScenarioArb } from './generator-cnp.ts';
export { type FlowSeed, type FlowSpace, flowArb, flowOf, flowSeedArb, flowSpace } from './generator-flow.ts';
export { policyArb, type RawPolicy, rawPolicyArb } from './generator-policy.ts';
