import { expect, test } from 'vitest';
import { countPeers } from '../../../bench/support/allowed-peers.ts';
import {
  block,
  makeEndpoint,
  makePod,
  makePolicy,
  pods,
  port,
  rule,
  Scenario,
  selector,
  set,
  webPod,
} from '../../support/policy-builders.ts';

const peers = [1, 2, 3].map((n) => set.pod(makePod(`peer-${n}`, { labels: { role: 'peer' }, ip: `10.2.0.${n}` })));
const other = set.pod(makePod('other', { ip: '10.2.0.9' }));

test('an endpoint would list the pods and blocks that its rules name, and no others', () => {
  const policy = makePolicy('p', {
    ingress: [rule([pods({ role: 'peer' }), block('172.16.0.0/28')], [port(80)])],
  });
  const { tables } = new Scenario([...webPod(), ...peers, other, set.policy(policy)]).result;
  expect(countPeers(tables)).toEqual([{ addresses: 3, prefixes: 1 }]);
});

test('an open endpoint lists nobody', () => {
  const { tables } = new Scenario([...webPod(), ...peers]).result;
  expect(countPeers(tables)).toEqual([{ addresses: 0, prefixes: 0 }]);
});

test('endpoints that share a rule set would list its peers once each', () => {
  const second = [
    set.pod(makePod('web2', { nodeName: 'node-1', podIPs: ['10.1.0.2'] })),
    set.endpoint(makeEndpoint(2, 'web2', ['10.1.0.2'])),
  ];
  const policy = makePolicy('p', { subject: selector(), ingress: [rule([pods({ role: 'peer' })])] });
  const { tables } = new Scenario([...webPod(), ...second, ...peers, set.policy(policy)]).result;
  expect(countPeers(tables)).toEqual([
    { addresses: 3, prefixes: 0 },
    { addresses: 3, prefixes: 0 },
  ]);
});
