/** Tables of small clusters as a person reads them: a change in a file here is a change in what is written to kernels. */
import { expect, test } from 'vitest';
import { formatTables } from '../../../src/policy/table-text.ts';
import {
  block,
  makeEndpoint,
  makeNamespace,
  makeNode,
  makePod,
  makePolicy,
  namedPort,
  namespaces,
  NODE,
  pods,
  port,
  requirement,
  rule,
  selector,
  set,
  webScenario,
  type Scenario,
} from '../../support/policy-builders.ts';

const db = set.pod(makePod('db', { ip: '10.2.0.5', namedPorts: [namedPort('sql', 5432)] }));
const client = set.pod(makePod('client', { podIPs: ['10.2.0.6', 'fd02::6'] }));

const scenarios: Readonly<Record<string, () => Scenario>> = {
  'no-policy': () => webScenario(db, client),
  'default-deny': () => webScenario(db, client, set.policy(makePolicy('deny', { types: ['Egress', 'Ingress'] }))),
  'allow-pods': () =>
    webScenario(
      db,
      client,
      set.policy(makePolicy('in', { ingress: [rule([pods({ app: 'client' })], [port(80), port(443)])] })),
    ),
  'allow-namespaces': () =>
    webScenario(
      set.namespace(makeNamespace('shop', { team: 'shop' })),
      set.pod(makePod('shop/cart', { ip: '10.2.0.7' })),
      set.pod(makePod('shop/batch', { ip: '10.2.0.8', labels: { app: 'batch', tier: 'slow' } })),
      set.policy(
        makePolicy('in', {
          ingress: [
            rule([namespaces({ team: 'shop' }, { app: 'cart' })], [port(80)]),
            rule([{ ...namespaces({ team: 'shop' }), podSelector: selector({}, requirement('tier', 'In', 'slow', 'idle')) }]),
          ],
        }),
      ),
    ),
  'blocks-with-excepts': () =>
    webScenario(
      client,
      set.node(makeNode('node-3', { podCIDRs: ['203.0.113.192/26'] })),
      set.policy(
        makePolicy('out', {
          egress: [
            rule([block('203.0.113.0/24', '203.0.113.64/26')], [port(443)]),
            rule([block('203.0.113.64/27'), block('10.2.0.0/29'), block('2001:db8::/32')], [port(53, 'UDP')]),
          ],
        }),
      ),
    ),
  'named-ports': () =>
    webScenario(
      db,
      set.pod(makePod('db-2', { ip: '10.2.0.9', labels: { app: 'db' }, namedPorts: [namedPort('sql', 3306)] })),
      set.policy(
        makePolicy('out', { subject: selector({ app: 'web' }), egress: [rule([pods({ app: 'db' })], [port('sql')])] }),
      ),
      set.policy(makePolicy('in', { subject: selector({ app: 'web' }), ingress: [rule([], [port('http')])] })),
    ),
  'ranges-and-protocols': () =>
    webScenario(
      set.policy(
        makePolicy('in', {
          ingress: [
            rule([], [port(8000, 'TCP', 8999), port(53, 'UDP')]),
            rule([block('198.51.100.0/24')], [port(8500), port(undefined, 'SCTP')]),
            rule([block('198.51.100.128/25')]),
          ],
        }),
      ),
    ),
  'unknown-and-contested': () =>
    webScenario(
      client,
      set.pod(makePod('late', { ip: '10.2.0.6' })),
      set.endpoint(makeEndpoint(2, 'ghost', ['10.1.0.2'])),
      set.pod(makePod('agent', { ip: '192.168.0.1', hostNetwork: true, nodeName: NODE })),
      set.nodeAddresses('192.168.0.1', '169.254.1.1'),
      set.policy(makePolicy('in', { ingress: [rule([pods({ app: 'client' }), pods({ app: 'agent' })])] })),
    ),
};

test.each(Object.entries(scenarios))('%s', async (name, make) => {
  const { result, compiler } = make();
  const problems = result.problems.map(({ message }) => `  ${message}\n`).join('');
  const text = `${formatTables(result.tables, compiler)}problems\n${problems}`;
  await expect(text).toMatchFileSnapshot(`${name}.txt`);
});
