/** Services and slices from files to frontends. */
import { expect, test } from 'vitest';
import { DesiredObjects } from '../../../src/cluster/manifests/desired-objects.ts';
import { readManifest } from '../../../src/cluster/manifests/read-manifest.ts';
import { Snapshot } from '../../../src/cluster/snapshot.ts';
import type { ClusterUpdate } from '../../../src/cluster/source.ts';
import { ServiceScenario } from '../../support/service-builders.ts';

const SERVICE = `apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  clusterIP: 10.96.0.1
  ports:
    - port: 80
      targetPort: http
`;

const SLICE = `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-x
  namespace: shop
  labels: { kubernetes.io/service-name: web }
addressType: IPv4
ports:
  - port: 8080
endpoints:
  - addresses: [10.0.0.1]
`;

function take(desired: DesiredObjects, text: string): ClusterUpdate {
  return desired.take(new Map([['f.yaml', readManifest('f.yaml', text)]]));
}

test('both kinds are read, told apart from what policy reads, kept in the snapshot, and lead to a frontend', () => {
  const update = take(new DesiredObjects(), SERVICE + SLICE);
  expect([update.changes, update.problems, update.services.length]).toEqual([[], [], 2]);
  const snapshot = new Snapshot();
  snapshot.apply(update.services);
  expect([[...snapshot.services.keys()], [...snapshot.endpointSlices.keys()]]).toEqual([['shop/web'], ['shop/web-x']]);
  expect(new ServiceScenario(update.services).lines()).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080']);
});

test('an object that goes is deleted by its key', () => {
  const desired = new DesiredObjects();
  const first = take(desired, SERVICE + SLICE);
  const { services } = take(desired, '');
  expect(services).toEqual([
    { kind: 'EndpointSlice', op: 'delete', key: 'shop/web-x' },
    { kind: 'Service', op: 'delete', key: 'shop/web' },
  ]);
  const snapshot = new Snapshot();
  snapshot.apply([...first.services, ...services]);
  expect(snapshot.services.size + snapshot.endpointSlices.size).toBe(0);
});

test('a Service that becomes wrong stays as it was, and is reported with its line', () => {
  const desired = new DesiredObjects();
  take(desired, SERVICE + SLICE);
  const { services, problems } = take(desired, SERVICE.replace('port: 80', 'port: 800000') + SLICE);
  expect(services).toEqual([]);
  expect(problems).toMatchObject([
    {
      severity: 'error',
      path: 'spec.ports[0].port',
      place: { line: 7 },
      hint: 'the last valid version stays in force',
    },
  ]);
});

test('a slice of an older API is not read, and reported', () => {
  const { problems } = take(new DesiredObjects(), SLICE.replace('discovery.k8s.io/v1', 'discovery.k8s.io/v1beta1'));
  expect(problems).toMatchObject([{ severity: 'error', hint: 'write apiVersion: discovery.k8s.io/v1' }]);
});
