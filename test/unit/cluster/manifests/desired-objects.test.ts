import { expect, test } from 'vitest';
import { DesiredObjects } from '../../../../src/cluster/manifests/desired-objects.ts';
import { PROBLEMS_MAX } from '../../../../src/cluster/manifests/limits.ts';
import type { KnownKind, KnownObject } from '../../../../src/cluster/object-readers.ts';
import {
  type ManifestContent,
  type ManifestObject,
  unreadContent,
  type UnreadObject,
} from '../../../../src/cluster/manifests/read-manifest.ts';
import type { ClusterUpdate } from '../../../../src/cluster/source.ts';
import type { NetworkPolicy } from '../../../../src/policy/model.ts';

const policy = (name: string, fields: Partial<NetworkPolicy> = {}): NetworkPolicy => ({
  namespace: 'shop',
  name,
  podSelector: { matchLabels: {}, matchExpressions: [] },
  policyTypes: ['Ingress'],
  ingress: [],
  egress: [],
  ...fields,
});

interface Given {
  readonly kind?: KnownKind;
  readonly object: KnownObject | undefined;
  readonly wrong?: string;
}

function manifest(name: string, { kind = 'NetworkPolicy', object, wrong }: Given): ManifestObject {
  const namespaced = kind === 'NetworkPolicy' || kind === 'Pod';
  const reference = { apiVersion: 'v1', kind, namespace: namespaced ? 'shop' : '', name };
  const base = { object: reference, file: 'f', place: undefined, path: 'spec', hint: '' };
  return {
    kind,
    key: namespaced ? `shop/${name}` : name,
    reference,
    file: 'f',
    place: undefined,
    object,
    valid: wrong === undefined,
    problems: wrong === undefined ? [] : [{ ...base, severity: 'error', message: wrong }],
  };
}

const good = (name: string, fields: Partial<NetworkPolicy> = {}): ManifestObject =>
  manifest(name, { object: policy(name, fields) });

function content(objects: readonly ManifestObject[], fields: Partial<ManifestContent> = {}): ManifestContent {
  return { objects, foreignKinds: [], problems: [], complete: true, unread: [], ...fields };
}

const changed = ({ changes }: ClusterUpdate): readonly string[] =>
  changes.map((change) => {
    if (change.op === 'delete') return `- ${change.kind} ${'key' in change ? change.key : change.id}`;
    return `+ ${change.kind} ${Array.isArray(change.object) ? '' : (change.object as { name: string }).name}`;
  });

const messages = ({ problems }: ClusterUpdate): readonly string[] => problems.map(({ message }) => message);

const files = (given: Readonly<Record<string, ManifestContent>>): ReadonlyMap<string, ManifestContent> =>
  new Map(Object.entries(given));

test('rule 1: a file that is gone takes its objects with it', () => {
  const desired = new DesiredObjects();
  expect(changed(desired.take(files({ a: content([good('x')]), b: content([good('y')]) })))).toEqual([
    '+ NetworkPolicy x',
    '+ NetworkPolicy y',
  ]);
  expect(changed(desired.take(files({ b: content([good('y')]) })))).toEqual(['- NetworkPolicy shop/x']);
});

test('rule 1: a file that cannot be made out keeps what it had, for as long as it cannot, and is reported', () => {
  const desired = new DesiredObjects();
  desired.take(files({ a: content([good('x')]) }));
  for (const _ of [1, 2]) {
    const update = desired.take(files({ a: unreadContent('a', 'is no YAML') }));
    expect([changed(update), messages(update)]).toEqual([[], ['is no YAML']]);
  }
  expect(changed(desired.take(files({ a: content([good('z')]) })))).toEqual([
    '+ NetworkPolicy z',
    '- NetworkPolicy shop/x',
  ]);
});

test('rule 1: what can be made out of an incomplete file counts beside what it had', () => {
  const desired = new DesiredObjects();
  desired.take(files({ a: content([good('x'), good('y')]) }));
  const edited = good('x', { policyTypes: ['Egress'] });
  expect(changed(desired.take(files({ a: content([edited], { complete: false }) })))).toEqual(['+ NetworkPolicy x']);
  expect(changed(desired.take(files({ a: content([edited]) })))).toEqual(['- NetworkPolicy shop/y']);
});

test('rule 2: of an object in two files the first by path counts and the other is reported', () => {
  const desired = new DesiredObjects();
  const update = desired.take(files({ b: content([good('x', { policyTypes: ['Egress'] })]), a: content([good('x')]) }));
  expect(update.changes).toEqual([{ kind: 'NetworkPolicy', op: 'set', object: policy('x') }]);
  expect(messages(update)).toEqual(['NetworkPolicy shop/x is in f already, and only that counts']);
});

test('rule 3: an object that becomes invalid stays as it was, and follows again once it is mended', () => {
  const desired = new DesiredObjects();
  desired.take(files({ a: content([good('x')]) }));
  const closed = policy('x', { invalid: true });
  const broken = content([manifest('x', { object: closed, wrong: 'endPort is below port' })]);
  for (const _ of [1, 2]) {
    const update = desired.take(files({ a: broken }));
    expect(changed(update)).toEqual([]);
    expect(update.problems[0]).toMatchObject({
      message: 'endPort is below port',
      hint: 'the last valid version stays in force',
    });
  }
  expect(changed(desired.take(files({ a: content([good('x', { policyTypes: ['Egress'] })]) })))).toEqual([
    '+ NetworkPolicy x',
  ]);
});

test('rule 3: a pod that becomes invalid stays as it was', () => {
  const pod: KnownObject = { name: 'web', labels: {} };
  const desired = new DesiredObjects();
  desired.take(files({ a: content([manifest('web', { kind: 'Pod', object: pod })]) }));
  const broken = content([manifest('web', { kind: 'Pod', object: undefined, wrong: 'no' })]);
  expect(changed(desired.take(files({ a: broken })))).toEqual([]);
});

test('rule 4: a policy that never was valid isolates and allows nothing, and follows its edits', () => {
  const desired = new DesiredObjects();
  const closed = (name: string, fields: Partial<NetworkPolicy>): ManifestContent =>
    content([manifest(name, { object: policy(name, { invalid: true, ...fields }), wrong: 'no' })]);
  const update = desired.take(files({ a: closed('x', {}) }));
  expect(update.changes).toEqual([{ kind: 'NetworkPolicy', op: 'set', object: policy('x', { invalid: true }) }]);
  expect(update.problems[0]?.hint).toBe('until then the policy isolates its pods and allows nothing');
  expect(changed(desired.take(files({ a: closed('x', { policyTypes: ['Egress'] }) })))).toEqual(['+ NetworkPolicy x']);
});

test('rule 4: what validation makes nothing of is left out', () => {
  const update = new DesiredObjects().take(
    files({ a: content([manifest('n1', { kind: 'Node', object: undefined, wrong: 'no' })]) }),
  );
  expect([update.changes, update.problems[0]?.hint]).toEqual([[], 'the object is left out']);
});

const unread = (kind: string, name: string): UnreadObject => ({
  reference: { apiVersion: 'v1', kind, namespace: 'shop', name },
  place: undefined,
});

test('rule 5: an object whose kind is mistyped in its file stays in force, however often the file is read', () => {
  const desired = new DesiredObjects();
  desired.take(files({ a: content([good('x'), good('y')]) }));
  const first = desired.take(files({ a: content([], { unread: [unread('NetworkPolcy', 'x')] }) }));
  expect([changed(first), messages(first)]).toEqual([
    ['- NetworkPolicy shop/y'],
    ['NetworkPolicy shop/x was here and has become a NetworkPolcy of v1, which is not read'],
  ]);
  const again = desired.take(files({ a: content([], { unread: [unread('NetworkPolcy', 'x')] }) }));
  expect([changed(again), messages(again)]).toEqual([[], messages(first)]);
  expect(changed(desired.take(files({ a: content([]) })))).toEqual(['- NetworkPolicy shop/x']);
});

test('rule 5: an object that goes while one of another type and its name stays is gone', () => {
  const desired = new DesiredObjects();
  const deployment = [unread('Deployment', 'x')];
  desired.take(files({ a: content([good('x')], { unread: deployment }) }));
  expect(changed(desired.take(files({ a: content([], { unread: deployment }) })))).toEqual(['- NetworkPolicy shop/x']);
});

test('a kind that is left alone is told of once, not once a file', () => {
  const foreign = content([], { foreignKinds: [{ type: 'apps/v1 Deployment', place: undefined }] });
  expect(messages(new DesiredObjects().take(files({ a: foreign, b: foreign })))).toHaveLength(1);
});

test('an object that moves to another file does not change, and one that stays equal is not told again', () => {
  const desired = new DesiredObjects();
  desired.take(files({ a: content([good('x')]) }));
  expect(changed(desired.take(files({ b: content([good('x')]) })))).toEqual([]);
});

const oneOfEach = (suffix: string): ManifestContent =>
  content([
    manifest(`pod-${suffix}`, { kind: 'Pod', object: { name: `pod-${suffix}`, labels: {} } }),
    good(`policy-${suffix}`),
    manifest(`node-${suffix}`, { kind: 'Node', object: { name: `node-${suffix}`, podCIDRs: [], addresses: [] } }),
    manifest(`ns-${suffix}`, { kind: 'Namespace', object: { name: `ns-${suffix}`, labels: {} } }),
  ]);

test('pods go before anything is set, policies are set before pods and go last', () => {
  const desired = new DesiredObjects();
  desired.take(files({ a: oneOfEach('1') }));
  expect(changed(desired.take(files({ a: oneOfEach('2') })))).toEqual([
    '- Pod shop/pod-1',
    '+ Namespace ns-2',
    '+ Node node-2',
    '+ NetworkPolicy policy-2',
    '+ Pod pod-2',
    '- NetworkPolicy shop/policy-1',
    '- Node node-1',
    '- Namespace ns-1',
  ]);
});

test('no more than PROBLEMS_MAX problems are told, the last says how many are not', () => {
  const many = Array.from({ length: PROBLEMS_MAX + 5 }, (_, i) => [`f${i}`, unreadContent(`f${i}`, 'no')] as const);
  const { problems } = new DesiredObjects().take(new Map(many));
  expect(problems).toHaveLength(PROBLEMS_MAX);
  expect(problems.at(-1)?.message).toBe(`6 more problems are not listed: PROBLEMS_MAX is ${PROBLEMS_MAX}`);
});
