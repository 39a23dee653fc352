import { expect, test } from 'vitest';
import { hashTuple, slotOf } from '../../../src/service/choose.ts';
import { type Choice, explainChoice, explainShares } from '../../../src/service/explain.ts';
import type { Service, SliceEndpoint } from '../../../src/service/model.ts';
import {
  endpoint,
  makeService,
  makeSlice,
  ServiceScenario,
  setService,
  setSlice,
} from '../../support/service-builders.ts';

const CLIENT = { source: '10.0.1.1', sourcePort: 40_000 };

function explain(
  fields: Partial<Service>,
  endpoints: readonly SliceEndpoint[],
  client: typeof CLIENT = CLIENT,
): Choice {
  const scenario = new ServiceScenario([
    setService(makeService('shop/web', fields)),
    setSlice(makeSlice('shop/web-1', 'web', { endpoints })),
  ]);
  return explainChoice(scenario.last.frontends[0]!, client);
}

const PODS = [1, 2, 3].map((i) => endpoint(`10.0.0.${i}`, { nodeName: `n${i}`, zone: `z${i}`, forZones: [`z${i}`] }));

test('the backend is that of the slot, with a sentence a step', () => {
  const { state, backend, slot, why } = explain(
    {},
    PODS.map((pod) => ({ ...pod, forZones: [] })),
  );
  const hash = hashTuple({ ...CLIENT, destinationPort: 80, protocol: 'TCP' });
  expect([state, slot]).toEqual(['backends', slotOf(hash, 61)]);
  expect(why).toEqual([
    '10.96.0.1:80/TCP is Service shop/web',
    'of its 3 endpoints 3 can be used: ready',
    `the hash of client 10.0.1.1:40000, ${hash}, leads to slot ${slot} of 61`,
    `the slot is that of ${backend?.address}:8080 (node ${backend?.node}, zone ${backend?.zone})`,
  ]);
});

test('SVC-24: with affinity the choice is that of a client which is not remembered, and it says so', () => {
  const pods = PODS.map((pod) => ({ ...pod, forZones: [] }));
  const { why, backend } = explain({ affinityTimeoutSeconds: 60 }, pods);
  expect(backend).toEqual(explain({}, pods).backend);
  expect(why[2]).toMatch(/^a client whose last new flow is no more than 60 s ago keeps the backend it had/);
});

test('without a port there are shares of all flows', () => {
  const scenario = new ServiceScenario([
    setService(makeService('shop/web')),
    setSlice(makeSlice('shop/web-1', 'web', { endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.2')] })),
  ]);
  expect(explainShares(scenario.last.frontends[0]!).slice(2)).toEqual([
    "the client's port decides on one, by the hash of the tuple",
    '50.8 % of flows go to 10.0.0.1:8080',
    '49.2 % of flows go to 10.0.0.2:8080',
  ]);
});

test.each<[string, Partial<Service>, readonly SliceEndpoint[], string, string]>([
  ['SVC-30: none', {}, [], 'reject', 'it has no endpoints: rejected'],
  [
    'SVC-30: none that can be used',
    {},
    [endpoint('10.0.0.1', { ready: false })],
    'reject',
    'of its 1 endpoint none can be used: rejected',
  ],
  [
    'SVC-30: none here',
    { internalTrafficPolicy: 'Local' },
    PODS.slice(1),
    'drop',
    'internalTrafficPolicy is Local and none of those in use is on this node: dropped',
  ],
])('%s: there is no backend, and why', (_, fields, endpoints, state, sentence) => {
  const choice = explain(fields, endpoints);
  expect([choice.state, choice.backend, choice.slot, choice.why.at(-1)]).toEqual([
    state,
    undefined,
    undefined,
    sentence,
  ]);
});

test.each<[string, Partial<Service>, readonly SliceEndpoint[], string]>([
  ['SVC-22: hints', {}, PODS, 'of its 3 endpoints 1 can be used: ready, for the same zone by their hints'],
  [
    'SVC-31: the local policy',
    { internalTrafficPolicy: 'Local' },
    PODS,
    'of its 3 endpoints 1 can be used: ready, on this node (internalTrafficPolicy Local)',
  ],
  [
    'SVC-20: the fallback',
    {},
    [endpoint('10.0.0.1', { ready: false, terminating: true })],
    'of its 1 endpoint 1 can be used: terminating but still serving, as none is ready',
  ],
])('%s is named', (_, fields, endpoints, sentence) => {
  expect(explain(fields, endpoints).why[1]).toBe(sentence);
});
