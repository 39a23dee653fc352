/**
 * Which endpoints are backends, case by case: SVC-20 to SVC-22, SVC-30, SVC-31. An endpoint is written as words: `ready`,
 * `leaving` (terminating, still serving), `gone` (terminating, not serving), `down` (neither ready nor terminating);
 * `here`, `there`: its node; `zone=a,b`, `node=a,b`: its hints. The node is n1 in zone z1.
 */
import { describe, expect, test } from 'vitest';
import type { Candidate } from '../../../src/service/candidates.ts';
import { backendKey, toAddress } from '../../../src/service/key.ts';
import type { NodeLocation, SliceEndpoint, TrafficPolicy } from '../../../src/service/model.ts';
import { selectBackends, type Selection } from '../../../src/service/select.ts';
import { endpoint, HERE } from '../../support/service-builders.ts';

const CONDITIONS: Readonly<Record<string, Partial<SliceEndpoint>>> = {
  ready: { ready: true, serving: true, terminating: false },
  leaving: { ready: false, serving: true, terminating: true },
  gone: { ready: false, serving: false, terminating: true },
  down: { ready: false, serving: false, terminating: false },
  // With publishNotReadyAddresses the writer of the slice says ready whatever the pod says (SVC-35).
  published: { ready: true, serving: false, terminating: true },
  here: { nodeName: 'n1' },
  there: { nodeName: 'n2' },
};

function read(text: string, index: number): Candidate {
  const address = `10.0.0.${index + 1}`;
  const fields = text.split(' ').map((word): Partial<SliceEndpoint> => {
    const [name = '', value] = word.split('=');
    if (value === undefined) return CONDITIONS[name] ?? {};
    return name === 'zone' ? { forZones: value.split(',') } : { forNodes: value.split(',') };
  });
  return {
    key: backendKey(toAddress(address), 80),
    port: 80,
    endpoint: endpoint(address, Object.assign({}, ...fields) as Partial<SliceEndpoint>),
    slice: 's',
  };
}

function select(policy: TrafficPolicy, endpoints: readonly string[], location: NodeLocation = HERE): Selection {
  return selectBackends(endpoints.map(read), policy, location);
}

/** The chosen by their index; the state when there are none. */
function outcome({ state, chosen }: Selection): string {
  if (state !== 'backends') return state;
  return chosen.map(({ endpoint: { address } }) => Number(address.split('.')[3]) - 1).join(' ');
}

type Row = [name: string, endpoints: readonly string[], outcome: string, topology?: string];

const CLUSTER: Row[] = [
  ['SVC-30: no endpoints are a rejection', [], 'reject'],
  ['SVC-20: every ready one, wherever it is', ['ready here', 'ready there', 'ready'], '0 1 2'],
  ['SVC-20: one that is not ready is none', ['ready', 'down'], '0'],
  ['SVC-20: nor one that terminates, while any is ready', ['ready', 'leaving', 'gone'], '0'],
  ['SVC-20: without a ready one those that serve while they terminate', ['leaving', 'leaving there', 'down'], '0 1'],
  ['SVC-20: never those that terminate and do not serve', ['gone', 'leaving'], '1'],
  ['SVC-30: only unusable ones are a rejection', ['gone', 'down'], 'reject'],
  ['SVC-35: a ready one is used, terminating and not serving or not', ['published', 'down'], '0'],
  ['SVC-22: zone hints of all, one names this zone', ['ready zone=z1', 'ready zone=z2'], '0', 'same zone'],
  ['SVC-22: zone hints that name several zones', ['ready zone=z1,z2', 'ready zone=z2'], '0', 'same zone'],
  ['SVC-22: every one in this zone by its hints', ['ready zone=z1', 'ready zone=z1'], '0 1', 'same zone'],
  ['SVC-22: zone hints that one of them lacks', ['ready zone=z1', 'ready'], '0 1', 'everywhere'],
  ['SVC-22: zone hints that none has for this zone', ['ready zone=z2', 'ready zone=z3'], '0 1', 'everywhere'],
  [
    'SVC-22: hints of those that are not ready do not count',
    ['ready zone=z1', 'down', 'ready zone=z2'],
    '0',
    'same zone',
  ],
  ['SVC-22: nor of those that terminate', ['ready zone=z1', 'leaving', 'ready zone=z2'], '0', 'same zone'],
  ['SVC-22: a hint of an unready one for this zone helps nobody', ['down zone=z1', 'ready zone=z2'], '1', 'everywhere'],
  ['SVC-22: node hints of all, one names this node', ['ready node=n1', 'ready node=n2'], '0', 'same node'],
  ['SVC-22: node hints that none has for this node', ['ready node=n2', 'ready node=n3'], '0 1', 'everywhere'],
  ['SVC-22: node hints that one of them lacks', ['ready node=n1', 'ready'], '0 1', 'everywhere'],
  ['SVC-22: node before zone', ['ready node=n1 zone=z1', 'ready node=n2 zone=z1'], '0', 'same node'],
  ['SVC-22: node hints in vain, then zone hints', ['ready node=n2 zone=z1', 'ready node=n3 zone=z2'], '0', 'same zone'],
  [
    'SVC-22: node hints of a part, then zone hints of all',
    ['ready node=n1 zone=z2', 'ready zone=z1'],
    '1',
    'same zone',
  ],
  ['SVC-22: both in vain', ['ready node=n2 zone=z2', 'ready node=n3 zone=z3'], '0 1', 'everywhere'],
  ['SVC-22: a hint counts, not where the endpoint is', ['ready here node=n2', 'ready there node=n1'], '1', 'same node'],
  [
    'SVC-20: the fallback to terminating ones looks at no hints',
    ['leaving zone=z1', 'leaving zone=z2'],
    '0 1',
    'everywhere',
  ],
  ['SVC-20: likewise at no node hints', ['leaving node=n1', 'leaving node=n2', 'gone node=n1'], '0 1', 'everywhere'],
];

describe('internalTrafficPolicy Cluster', () => {
  test.each<Row>(CLUSTER)('%s', (_, endpoints, expected, topology = 'everywhere') => {
    const selection = select('Cluster', endpoints);
    expect([outcome(selection), selection.topology]).toEqual([expected, topology]);
  });

  test('SVC-22: a node without a zone looks at no zone hints', () => {
    const hinted = ['ready zone=z1', 'ready zone=z2'];
    expect(outcome(select('Cluster', hinted, { node: 'n1', zone: '' }))).toBe('0 1');
  });

  test('SVC-22: node hints work without a zone', () => {
    expect(outcome(select('Cluster', ['ready node=n1', 'ready node=n2'], { node: 'n1', zone: '' }))).toBe('0');
  });

  test('SVC-20: which of the two kinds was used is said', () => {
    expect(select('Cluster', ['ready', 'leaving']).health).toBe('ready');
    expect(select('Cluster', ['down', 'leaving']).health).toBe('terminating');
  });
});

const LOCAL: Row[] = [
  ['SVC-30: no endpoints are a rejection', [], 'reject'],
  ['SVC-31: only those of this node', ['ready here', 'ready there', 'ready'], '0'],
  ['SVC-30: none on this node is a drop', ['ready there', 'ready'], 'drop'],
  ['SVC-30: a drop also when the others terminate', ['leaving there', 'down here'], 'drop'],
  ['SVC-30: only unusable ones are a rejection, here or not', ['down here', 'gone there'], 'reject'],
  ['SVC-21: no terminating one while one here is ready', ['ready here', 'leaving here'], '0'],
  ['SVC-21: without a ready one here the terminating ones here', ['ready there', 'leaving here', 'gone here'], '1'],
  ['SVC-21: terminating ones here, with nothing ready anywhere', ['leaving here', 'leaving there'], '0'],
  ['SVC-21: an unready one here is none', ['down here', 'ready there'], 'drop'],
  ['SVC-21: zone hints are not looked at', ['ready here zone=z2', 'ready there zone=z1'], '0'],
  ['SVC-21: nor node hints', ['ready here node=n2', 'ready there node=n1'], '0'],
  ['SVC-35: a ready one here is used, terminating or not', ['published here', 'ready there'], '0'],
];

describe('internalTrafficPolicy Local', () => {
  test.each<Row>(LOCAL)('%s', (_, endpoints, expected) => {
    expect(outcome(select('Local', endpoints))).toBe(expected);
  });

  test('an endpoint without a node is on none, also for a node without a name', () => {
    expect(outcome(select('Local', ['ready'], { node: '', zone: '' }))).toBe('drop');
  });
});
