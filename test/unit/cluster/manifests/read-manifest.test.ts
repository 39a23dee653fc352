import { expect, test } from 'vitest';
import { readManifest } from '../../../../src/cluster/manifests/read-manifest.ts';
import { formatProblem } from '../../../../src/cluster/source.ts';

const read = (text: string): ReturnType<typeof readManifest> => readManifest('f.yaml', text);
const told = (text: string): readonly string[] => read(text).problems.map(formatProblem);

const POLICY = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n';

test('the four kinds are read, with default as the namespace of those that name none', () => {
  const text = `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- {apiVersion: v1, kind: Node, metadata: {name: n1}}
- {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}
- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny}, spec: {podSelector: {}}}
`;
  const { objects, problems, complete } = read(text);
  expect(objects.map(({ kind, key, valid }) => `${kind} ${key} ${valid}`)).toEqual([
    'Namespace shop true',
    'Node n1 true',
    'Pod shop/web true',
    'NetworkPolicy default/deny true',
  ]);
  expect([problems, complete]).toEqual([[], true]);
});

test('an invalid policy is there as one that isolates, with its problem at the place of the field', () => {
  const text = `${POLICY}metadata: {name: p}\nspec:\n  podSelector: {}\n  ingress:\n    - ports:\n        - {port: 80, endPort: 70}\n`;
  const [policy] = read(text).objects;
  expect([policy?.valid, policy?.object]).toEqual([false, expect.objectContaining({ invalid: true })]);
  expect(policy?.problems[0]).toMatchObject({
    severity: 'error',
    object: { kind: 'NetworkPolicy', namespace: 'default', name: 'p' },
    path: 'spec.ingress[0].ports[0].endPort',
    place: { line: 8, column: 31 },
  });
});

test.each([
  ['no name', 'metadata: {}\n'],
  ['no metadata', ''],
  ['a number as its name', 'metadata: {name: 3}\n'],
  ['a namespace that is none', 'metadata: {name: p, namespace: A_B}\n'],
])(
  'a policy with %s is no policy: the message says that nothing is isolated, and the file is incomplete',
  (_, text) => {
    const { objects, problems, complete } = read(`${POLICY}${text}`);
    expect([objects, complete]).toEqual([[], false]);
    expect(problems.some(({ hint }) => hint.includes('nothing is isolated by it'))).toBe(true);
  },
);

test('a known kind of another apiVersion is an error that names the right one', () => {
  expect(told('apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n')).toEqual([
    'f.yaml:1:13: error: NetworkPolicy shop/p: apiVersion: NetworkPolicy of extensions/v1beta1 is not read (write apiVersion: networking.k8s.io/v1)',
  ]);
});

test('a policy of a kind that Sluice does not enforce is an error, other kinds are only noted', () => {
  expect(told('apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\n')[0]).toContain(
    'is not enforced',
  );
  const { problems, foreignKinds } = read('apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n');
  expect([problems, foreignKinds.map(({ type }) => type)]).toEqual([[], ['apps/v1 Deployment']]);
});
