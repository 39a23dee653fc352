import { expect, test } from 'vitest';
import { DesiredObjects } from '../../../src/cluster/manifests/desired-objects.ts';
import { readManifest } from '../../../src/cluster/manifests/read-manifest.ts';
import { Snapshot } from '../../../src/cluster/snapshot.ts';
import type { ClusterUpdate } from '../../../src/cluster/source.ts';

const POLICY = `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: deny-slytherin}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  ingress:
  - action: Deny
    from: [{namespaces: {matchLabels: {house: slytherin}}}]
`;

function take(desired: DesiredObjects, text: string): ClusterUpdate {
  return desired.take(new Map([['p.yaml', readManifest('p.yaml', text)]]));
}

test('a ClusterNetworkPolicy comes from a manifest into the snapshot, and goes with it', () => {
  const desired = new DesiredObjects();
  const snapshot = new Snapshot();
  const { changes, problems } = take(desired, POLICY);
  expect(problems).toEqual([]);
  snapshot.apply(changes);
  expect([...snapshot.clusterNetworkPolicies.keys()]).toEqual(['deny-slytherin']);
  const gone = desired.take(new Map());
  expect(gone.changes).toEqual([{ kind: 'ClusterNetworkPolicy', op: 'delete', key: 'deny-slytherin' }]);
  snapshot.apply(gone.changes);
  expect(snapshot.clusterNetworkPolicies.size).toBe(0);
});

test('an edit that breaks it keeps the last valid version, and one that never was valid denies', () => {
  const desired = new DesiredObjects();
  take(desired, POLICY);
  const broken = POLICY.replace('priority: 10', 'priority: 5000');
  const kept = take(desired, broken);
  expect(kept.changes).toEqual([]);
  expect(kept.problems[0]).toMatchObject({ severity: 'error', path: 'spec.priority', place: { line: 6 } });
  const never = take(new DesiredObjects(), broken);
  expect(never.changes).toMatchObject([
    { op: 'set', object: { invalid: true, ingress: [{ action: 'Deny', peers: [{}] }] } },
  ]);
  expect(never.problems[0]?.hint).toContain('denies its pods everything');
});

test('another version of the kind is an error that names the right one', () => {
  const { problems } = readManifest('p.yaml', POLICY.replace('v1alpha2', 'v1alpha1'));
  expect(problems).toMatchObject([{ hint: 'write apiVersion: policy.networking.k8s.io/v1alpha2' }]);
});
