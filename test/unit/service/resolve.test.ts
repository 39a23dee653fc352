import { describe, expect, test } from 'vitest';
import { FRONTEND_BACKENDS_MAX } from '../../../src/service/limits.ts';
import type { EndpointSlice, Service } from '../../../src/service/model.ts';
import {
  deleteService,
  deleteSlice,
  endpoint,
  HERE,
  makeService,
  makeSlice,
  servicePort,
  ServiceScenario,
  setService,
  setSlice,
  slicePort,
} from '../../support/service-builders.ts';

const web = (fields: Partial<Service> = {}): Service => makeService('shop/web', fields);
const webSlice = (fields: Partial<EndpointSlice> = {}): EndpointSlice =>
  makeSlice('shop/web-1', 'web', { endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.2')], ...fields });

function linesOf(service: Partial<Service>, ...slices: readonly Partial<EndpointSlice>[]): readonly string[] {
  const named = slices.map((fields, i) => setSlice(webSlice({ name: `web-${i + 1}`, ...fields })));
  return new ServiceScenario([setService(web(service)), ...named]).lines();
}

describe('which Services have frontends', () => {
  test.each<[string, Partial<Service>]>([
    ['a headless one', { headless: true, clusterIPs: [] }],
    ['an ExternalName', { type: 'ExternalName', clusterIPs: [] }],
  ])('SVC-1: %s has none, and gets them when that ends', (_, fields) => {
    const scenario = new ServiceScenario([setService(web(fields)), setSlice(webSlice())]);
    expect([scenario.lines(), scenario.messages()]).toEqual([[], []]);
    scenario.change(setService(web()));
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080']);
    scenario.change(setService(web(fields)));
    expect(scenario.lines()).toEqual([]);
  });

  test.each<[string, Partial<Service>]>([
    ['one that another proxy serves', { proxyName: 'other' }],
    ['one with the label headless', { headlessLabel: true }],
  ])('SVC-1: %s is left to the other, and gets backends when that ends', (_, fields) => {
    const scenario = new ServiceScenario([setService(web(fields)), setSlice(webSlice()), setSlice(webSlice())]);
    expect([scenario.lines(), scenario.messages()]).toEqual([['10.96.0.1:80/TCP -> elsewhere'], []]);
    scenario.change(setService(web()));
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080']);
    scenario.change(setService(web(fields)));
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> elsewhere']);
  });

  test('SVC-1: a resolver with a proxy name serves the Services of that name and leaves the others alone', () => {
    const changes = [
      setService(web({ proxyName: 'ours' })),
      setService(makeService('shop/b', { clusterIPs: ['10.96.0.2'] })),
    ];
    expect(new ServiceScenario(changes, { proxyName: 'ours' }).lines()).toEqual([
      '10.96.0.1:80/TCP -> reject',
      '10.96.0.2:80/TCP -> elsewhere',
    ]);
  });

  test.each(['NodePort', 'LoadBalancer'] as const)('a %s has its cluster IP', (type) => {
    expect(linesOf({ type }, {})).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080']);
  });
});

describe('Services and slices are joined', () => {
  test('SVC-2: by name and namespace, over several slices', () => {
    const scenario = new ServiceScenario([
      setService(web()),
      setSlice(webSlice()),
      setSlice(webSlice({ name: 'web-2', endpoints: [endpoint('10.0.0.3')] })),
      setSlice(makeSlice('shop/other', 'other', { endpoints: [endpoint('10.0.0.4')] })),
      setSlice(makeSlice('bank/web-1', 'web', { endpoints: [endpoint('10.0.0.5')] })),
    ]);
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080']);
  });

  test('SVC-2: one address and port in two slices counts once, as the usable one, and is reported', () => {
    const scenario = new ServiceScenario([
      setService(web()),
      setSlice(webSlice({ endpoints: [endpoint('10.0.0.1', { ready: false, serving: false })] })),
      setSlice(webSlice({ name: 'web-2' })),
    ]);
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080']);
    expect(scenario.messages()).toEqual([
      'EndpointSlice shop/web-1: 10.0.0.1:8080 is in slice web-2, too: each counts once',
    ]);
  });

  test('SVC-2: slices of names are left out, and headless ones (SVC-1)', () => {
    expect(linesOf({}, { addressType: 'FQDN' }, { headlessLabel: true })).toEqual(['10.96.0.1:80/TCP -> reject']);
  });

  test('SVC-2: ports are joined by name; the unnamed one by having none', () => {
    const ports = [servicePort(80, { name: 'http' }), servicePort(443, { name: 'https' })];
    const endpoints = [endpoint('10.0.0.1')];
    expect(linesOf({ ports }, { endpoints, ports: [slicePort(8443, { name: 'https' }), slicePort(1)] })).toEqual([
      '10.96.0.1:80/TCP -> reject',
      '10.96.0.1:443/TCP -> 10.0.0.1:8443',
    ]);
  });

  test('SVC-4: a named target port has other numbers in other slices', () => {
    expect(
      linesOf(
        {},
        { endpoints: [endpoint('10.0.0.1')] },
        { endpoints: [endpoint('10.0.0.2')], ports: [slicePort(9090)] },
      ),
    ).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080 10.0.0.2:9090']);
  });

  test('SVC-4: one pod behind one port with two numbers is two backends', () => {
    const endpoints = [endpoint('10.0.0.1')];
    expect(linesOf({}, { endpoints }, { endpoints, ports: [slicePort(9090)] })).toEqual([
      '10.96.0.1:80/TCP -> 10.0.0.1:8080 10.0.0.1:9090',
    ]);
  });

  test('SVC-5: one number with TCP and UDP is two ports; removing one leaves the other', () => {
    const both = [servicePort(53, { name: 'tcp' }), servicePort(53, { name: 'udp', protocol: 'UDP' })];
    const ports = [slicePort(5353, { name: 'tcp' }), slicePort(5353, { name: 'udp', protocol: 'UDP' })];
    const scenario = new ServiceScenario([
      setService(web({ ports: both })),
      setSlice(webSlice({ ports, endpoints: [endpoint('10.0.0.1')] })),
    ]);
    const [tcp, udp] = scenario.last.frontends;
    expect(scenario.lines()).toEqual(['10.96.0.1:53/TCP -> 10.0.0.1:5353', '10.96.0.1:53/UDP -> 10.0.0.1:5353']);
    const { changed, removed, frontends } = scenario.change(setService(web({ ports: both.slice(1) })));
    expect([changed, removed, frontends]).toEqual([[], [tcp], [udp]]);
    expect(frontends[0]).toBe(udp);
  });

  test('SVC-5: a slice port of another protocol is not it', () => {
    expect(linesOf({}, { ports: [slicePort(8080, { protocol: 'UDP' })] })).toEqual(['10.96.0.1:80/TCP -> reject']);
  });

  test('SVC-6: slices that somebody wrote lead anywhere', () => {
    const endpoints = [endpoint('192.0.2.7')];
    expect(linesOf({}, { name: 'by-hand', endpoints, ports: [slicePort(6443)] })).toEqual([
      '10.96.0.1:80/TCP -> 192.0.2.7:6443',
    ]);
  });

  test('SVC-7: each cluster IP has the slices of its family, and the second comes and goes', () => {
    const six: Partial<EndpointSlice> = { addressType: 'IPv6', endpoints: [endpoint('fd00::1')] };
    const scenario = new ServiceScenario([
      setService(web()),
      setSlice(webSlice({ endpoints: [endpoint('10.0.0.1')] })),
      setSlice(webSlice({ name: 'web-2', ...six })),
    ]);
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080']);
    scenario.change(setService(web({ clusterIPs: ['10.96.0.1', 'fd96::1'] })));
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080', 'fd96::1:80/TCP -> fd00::1:8080']);
    scenario.change(setService(web()));
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080']);
  });

  test('a slice whose Service is not there is reported until it comes', () => {
    const scenario = new ServiceScenario([setSlice(webSlice())]);
    expect(scenario.messages()).toEqual([
      'EndpointSlice shop/web-1: there is no Service shop/web: nothing leads to these endpoints',
    ]);
    scenario.change(setService(web()));
    expect([scenario.messages(), scenario.lines().length]).toEqual([[], 1]);
    scenario.change(deleteService('shop/web'));
    expect([scenario.messages().length, scenario.lines()]).toEqual([1, []]);
    scenario.change(deleteSlice('shop/web-1'));
    expect(scenario.messages()).toEqual([]);
  });

  test('a slice that is given to another Service leaves the first, and its backends are others there', () => {
    const scenario = new ServiceScenario([
      setService(web()),
      setService(makeService('shop/api', { clusterIPs: ['10.96.0.2'] })),
      setSlice(webSlice({ endpoints: [endpoint('10.0.0.1')] })),
    ]);
    const before = scenario.last.frontends[0]?.backends[0]?.id;
    scenario.change(setSlice(webSlice({ serviceName: 'api', endpoints: [endpoint('10.0.0.1')] })));
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> reject', '10.96.0.2:80/TCP -> 10.0.0.1:8080']);
    expect(scenario.last.frontends[1]?.backends[0]?.id).not.toBe(before);
  });
});

describe('SCTP', () => {
  const ports = [servicePort(3868, { protocol: 'SCTP' })];
  const slicePorts = (number: number): Partial<EndpointSlice> => ({ ports: [slicePort(number, { protocol: 'SCTP' })] });

  test('is translated where the port stays the same', () => {
    expect(linesOf({ ports }, slicePorts(3868))).toEqual(['10.96.0.1:3868/SCTP -> 10.0.0.1:3868 10.0.0.2:3868']);
  });

  test('is left to another proxy, and reported, where it does not', () => {
    const scenario = new ServiceScenario([setService(web({ ports })), setSlice(webSlice(slicePorts(3869)))]);
    expect(scenario.lines()).toEqual(['10.96.0.1:3868/SCTP -> elsewhere']);
    expect(scenario.last.problems).toMatchObject([{ kind: 'Service', path: 'spec.ports[0]', severity: 'warning' }]);
  });
});

describe('two Services with one address and port', () => {
  const second = makeService('shop/zeta');

  test('the first by name has it, the other is reported, whatever the order', () => {
    for (const services of [
      [web(), second],
      [second, web()],
    ]) {
      const scenario = new ServiceScenario(services.map(setService));
      expect(scenario.last.frontends.map(({ service }) => service)).toEqual(['shop/web']);
      expect(scenario.messages()).toEqual(['Service shop/zeta: 10.96.0.1:80/TCP belongs to Service shop/web already']);
    }
  });

  test('when the first goes the other has it, under the same id', () => {
    const scenario = new ServiceScenario([setService(web()), setService(second)]);
    const id = scenario.last.frontends[0]?.id;
    const { frontends, problems, removed } = scenario.change(deleteService('shop/web'));
    expect([frontends[0]?.service, frontends[0]?.id, problems, removed]).toEqual(['shop/zeta', id, [], []]);
  });

  test('other ports of one address are no clash', () => {
    const scenario = new ServiceScenario([
      setService(web()),
      setService(makeService('shop/zeta', { ports: [servicePort(81)] })),
    ]);
    expect([scenario.lines().length, scenario.messages()]).toEqual([2, []]);
  });
});

describe('changes', () => {
  test('without a change nothing is changed, and every frontend is the same object', () => {
    const scenario = new ServiceScenario([setService(web()), setSlice(webSlice())]);
    const before = scenario.last.frontends;
    const { changed, removed, frontends, revision } = scenario.change(setSlice(webSlice()), setService(web()));
    expect([changed, removed, revision]).toEqual([[], [], 2]);
    expect(frontends[0]).toBe(before[0]);
  });

  test('the zone of the node moves the backends', () => {
    const hinted = [endpoint('10.0.0.1', { forZones: ['z1'] }), endpoint('10.0.0.2', { forZones: ['z2'] })];
    const scenario = new ServiceScenario([setService(web()), setSlice(webSlice({ endpoints: hinted }))]);
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> 10.0.0.1:8080']);
    scenario.resolver.setLocation({ ...HERE, zone: 'z2' });
    scenario.change();
    expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> 10.0.0.2:8080']);
  });

  test('a backend that stops being ready keeps its id as long as it is used, and the slots do not move', () => {
    const scenario = new ServiceScenario([setService(web()), setSlice(webSlice())]);
    const before = scenario.last.frontends[0];
    const leaving = ['10.0.0.1', '10.0.0.2'].map((a) => endpoint(a, { ready: false, terminating: true }));
    scenario.change(setSlice(webSlice({ endpoints: leaving })));
    const after = scenario.last.frontends[0];
    expect(after?.health).toBe('terminating');
    expect(after?.backends.map(({ id }) => id)).toEqual(before?.backends.map(({ id }) => id));
    expect(after?.slots).toBe(before?.slots);
  });

  test('SVC-24: session affinity comes and goes at once', () => {
    const scenario = new ServiceScenario([setService(web({ affinityTimeoutSeconds: 60 })), setSlice(webSlice())]);
    const [before] = scenario.last.frontends;
    const [after] = scenario.change(setService(web())).changed;
    expect([before?.affinityTimeoutSeconds, before?.slots.length]).toEqual([60, 61]);
    expect([after?.affinityTimeoutSeconds, after?.slots.length, after?.id]).toEqual([0, 61, before?.id]);
  });

  test('ids are not given twice: what comes back has another', () => {
    const scenario = new ServiceScenario([setService(web()), setSlice(webSlice())]);
    const ids = scenario.last.frontends.map(({ id, backends }) => [id, ...backends.map((backend) => backend.id)]);
    scenario.change(deleteService('shop/web'));
    scenario.change(setService(web()));
    expect(ids).toEqual([[1, 1, 2]]);
    expect(scenario.last.frontends.map(({ id, backends }) => [id, ...backends.map((b) => b.id)])).toEqual([[2, 3, 4]]);
    expect(scenario.last.nextIds).toEqual({ frontend: 3, backend: 5 });
  });

  test('deleting what is not known changes nothing', () => {
    const scenario = new ServiceScenario([deleteService('a/b'), deleteSlice('a/b')]);
    expect([scenario.lines(), scenario.messages()]).toEqual([[], []]);
  });

  test('a frontend is found by address, port and protocol', () => {
    const { resolver } = new ServiceScenario([setService(web())]);
    expect(resolver.frontend('10.96.0.1', 80, 'TCP')?.service).toBe('shop/web');
    expect([resolver.frontend('10.96.0.1', 80, 'UDP'), resolver.frontend('nowhere', 80, 'TCP')]).toEqual([
      undefined,
      undefined,
    ]);
  });
});

test('frontends are in order of family, address, port and protocol', () => {
  const ports = [
    servicePort(443, { name: 'b' }),
    servicePort(80, { name: 'a' }),
    servicePort(80, { name: 'c', protocol: 'UDP' }),
  ];
  const scenario = new ServiceScenario([
    setService(web({ clusterIPs: ['fd96::1', '10.96.0.10'], ports })),
    setService(makeService('shop/api', { clusterIPs: ['10.96.0.9'] })),
  ]);
  expect(scenario.lines()).toEqual([
    '10.96.0.9:80/TCP -> reject',
    '10.96.0.10:80/TCP -> reject',
    '10.96.0.10:80/UDP -> reject',
    '10.96.0.10:443/TCP -> reject',
    'fd96::1:80/TCP -> reject',
    'fd96::1:80/UDP -> reject',
    'fd96::1:443/TCP -> reject',
  ]);
});

test('more backends than a frontend may have are refused as a whole, and reported', () => {
  const slices = Array.from({ length: 17 }, (_, slice) =>
    setSlice(
      webSlice({
        name: `web-${slice}`,
        endpoints: Array.from({ length: 1000 }, (_, i) => endpoint(`10.${slice}.${i >> 8}.${i & 255}`)),
      }),
    ),
  );
  const scenario = new ServiceScenario([setService(web()), ...slices]);
  expect(scenario.lines()).toEqual(['10.96.0.1:80/TCP -> drop']);
  expect(scenario.messages()[0]).toContain(
    `has 17000 backends; with more than FRONTEND_BACKENDS_MAX, ${FRONTEND_BACKENDS_MAX}`,
  );
});
