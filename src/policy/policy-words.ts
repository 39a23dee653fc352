/** What the policies of a cluster ask of pods at all: label keys, port names, blocks. Everything else they cannot tell apart. */
import type { ClusterChange, ClusterNetworkPolicy, LabelSelector, NetworkPolicy } from './model.ts';

export interface PolicyWords {
  /** Of pods; those of namespaces are not asked of pods. */
  readonly labelKeys: ReadonlySet<string>;
  readonly portNames: ReadonlySet<string>;
  /** CIDR texts: blocks, what they except, networks. */
  readonly blocks: ReadonlySet<string>;
}

export function policyWords(changes: readonly ClusterChange[]): PolicyWords {
  const words = { labelKeys: new Set<string>(), portNames: new Set<string>(), blocks: new Set<string>() };
  for (const change of changes) {
    if (change.op !== 'set') continue;
    if (change.kind === 'NetworkPolicy') addPolicy(change.object, words);
    if (change.kind === 'ClusterNetworkPolicy') addClusterPolicy(change.object, words);
  }
  return words;
}

interface Words {
  readonly labelKeys: Set<string>;
  readonly portNames: Set<string>;
  readonly blocks: Set<string>;
}

function addPolicy({ podSelector, ingress, egress }: NetworkPolicy, words: Words): void {
  addKeys(podSelector, words);
  for (const rules of [ingress, egress]) {
    for (const { peers, ports } of rules) {
      for (const { podSelector: selector, ipBlock } of peers) {
        addKeys(selector, words);
        if (ipBlock === undefined) continue;
        words.blocks.add(ipBlock.cidr);
        for (const text of ipBlock.except) words.blocks.add(text);
      }
      for (const { port } of ports) if (typeof port === 'string') words.portNames.add(port);
    }
  }
}

function addClusterPolicy({ subject, ingress, egress }: ClusterNetworkPolicy, words: Words): void {
  addKeys(subject.pods?.podSelector, words);
  for (const { peers, protocols } of [...ingress, ...egress]) {
    for (const { pods, networks = [] } of peers) {
      addKeys(pods?.podSelector, words);
      for (const text of networks) words.blocks.add(text);
    }
    for (const { destinationNamedPort } of protocols)
      if (destinationNamedPort !== undefined) words.portNames.add(destinationNamedPort);
  }
}

function addKeys(selector: LabelSelector | undefined, { labelKeys }: Words): void {
  if (selector === undefined) return;
  for (const key of Object.keys(selector.matchLabels)) labelKeys.add(key);
  for (const { key } of selector.matchExpressions) labelKeys.add(key);
}
