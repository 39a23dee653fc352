import { describe, expect, test } from 'vitest';
import { encodeResult, encodeVersions } from '../../../src/cni/result.ts';
import { parseCall, type AddCall } from '../../../src/cni/request.ts';
import { SUPPORTED_VERSIONS, type CniVersion } from '../../../src/cni/version.ts';
import { ADD_ENVIRONMENT, CONFIG, encodeBody } from './cni-body.ts';
import { ADDED } from './fake-pod-network.ts';

function addCall(cniVersion: CniVersion, extra: object = {}): AddCall {
  const call = parseCall(encodeBody(ADD_ENVIRONMENT, { ...CONFIG, ...extra, cniVersion }));
  if (call.command !== 'ADD') throw new Error('not an ADD');
  return call;
}

function resultOf(cniVersion: CniVersion, extra: object = {}): unknown {
  return JSON.parse(encodeResult(addCall(cniVersion, extra), ADDED));
}

describe('the result of an ADD', () => {
  test('CNI-24: 1.1.0 has the mtu of both ends', () => {
    expect(resultOf('1.1.0')).toEqual({
      cniVersion: '1.1.0',
      interfaces: [
        { name: 'slc0ffee', mac: '0a:00:00:00:00:01', mtu: 1500, sandbox: '' },
        { name: 'eth0', mac: '0a:00:00:00:00:02', mtu: 1500, sandbox: '/run/netns/pod' },
      ],
      ips: [
        { interface: 1, address: '10.244.1.7/32', gateway: '169.254.1.1' },
        { interface: 1, address: 'fd00:1::7/128', gateway: 'fe80::1' },
      ],
      routes: [
        { dst: '0.0.0.0/0', gw: '169.254.1.1' },
        { dst: '::/0', gw: 'fe80::1' },
      ],
      dns: {},
    });
  });

  test.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0'] as const)('CNI-24: %s has no mtu', (version) => {
    expect(JSON.stringify(resultOf(version))).not.toContain('mtu');
  });

  test.each(['0.3.0', '0.3.1', '0.4.0'] as const)('%s tells the version of each address', (version) => {
    expect(resultOf(version)).toMatchObject({ ips: [{ version: '4' }, { version: '6' }] });
  });

  test.each(['1.0.0', '1.1.0'] as const)('%s does not tell the version of an address', (version) => {
    expect(resultOf(version)).not.toHaveProperty('ips.0.version');
  });

  test.each(SUPPORTED_VERSIONS)('CNI-3: has the version of the request, %s', (version) => {
    expect(resultOf(version)).toMatchObject({ cniVersion: version });
  });

  test.each(SUPPORTED_VERSIONS)('CNI-73: %s points every address at the interface in the sandbox', (version) => {
    const result = resultOf(version) as { interfaces: { sandbox: string }[]; ips: { interface: number }[] };
    for (const ip of result.ips) expect(result.interfaces[ip.interface]?.sandbox).toBe('/run/netns/pod');
  });

  test('has the dns of the configuration', () => {
    expect(resultOf('1.0.0', { dns: { search: ['a.b'] } })).toMatchObject({ dns: { search: ['a.b'] } });
  });

  test('CNI-73: is refused without an address, and when the host end has the name of the pod end', () => {
    expect(() => encodeResult(addCall('1.0.0'), { ...ADDED, addresses: [] })).toThrow('without an address');
    const collision = { ...ADDED, hostInterface: { ...ADDED.hostInterface, name: 'eth0' } };
    expect(() => encodeResult(addCall('1.0.0'), collision)).toThrow('named eth0');
  });
});

test('CNI-53: VERSION tells the version of the request, else the latest', () => {
  expect(JSON.parse(encodeVersions('0.4.0', SUPPORTED_VERSIONS))).toEqual({
    cniVersion: '0.4.0',
    supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
  });
  expect(JSON.parse(encodeVersions(undefined, SUPPORTED_VERSIONS))).toMatchObject({ cniVersion: '1.1.0' });
});
