import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CniError } from '../../../src/cni/error.ts';
import { attachmentKey, parseCall, statedVersion } from '../../../src/cni/request.ts';
import { SUPPORTED_VERSIONS } from '../../../src/cni/version.ts';
import { ADD_ENVIRONMENT, CONFIG, DEL_ENVIRONMENT, encodeBody } from './cni-body.ts';
import { thrownBy } from './thrown.ts';

function refusalOf(environment: Readonly<Record<string, string>>, config: object | string = CONFIG): CniError {
  return thrownBy(() => parseCall(encodeBody(environment, config)));
}

describe('an ADD', () => {
  test('is read with its attachment, pod and configuration', () => {
    expect(parseCall(encodeBody(ADD_ENVIRONMENT))).toEqual({
      command: 'ADD',
      cniVersion: '1.0.0',
      containerId: 'c0ffee',
      ifname: 'eth0',
      netns: '/run/netns/pod',
      pod: { namespace: 'shop', name: 'web-0', uid: 'u-1' },
      config: { cniVersion: '1.0.0', name: 'sluice', isShaped: false },
    });
  });

  test('CNI-72: is of a shaped pod when the runtime says so', () => {
    const isShaped = (runtimeConfig: unknown): unknown => {
      const call = parseCall(encodeBody(ADD_ENVIRONMENT, { ...CONFIG, runtimeConfig }));
      return call.command === 'ADD' ? call.config.isShaped : undefined;
    };
    expect(isShaped({ bandwidth: { ingressRate: 1000, ingressBurst: 1000 } })).toBe(true);
    for (const none of [null, {}, { bandwidth: null }, { bandwidth: {} }, { portMappings: [] }]) {
      expect(isShaped(none)).toBe(false);
    }
  });

  test('CNI-11: names every missing variable', () => {
    const refusal = refusalOf({ CNI_COMMAND: 'ADD', CNI_NETNS: '' });
    expect(refusal.code).toBe(4);
    expect(refusal.message).toBe('required env variables [CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME] missing');
  });

  test.each(['-a', 'a b', 'a/b', '..', 'a:b', 'a'.repeat(201), 'ü'])('CNI-10: refuses the container id %j', (id) => {
    const refusal = refusalOf({ ...ADD_ENVIRONMENT, CNI_CONTAINERID: id });
    expect(refusal.code).toBe(4);
    expect(refusal.message).toContain('CNI_CONTAINERID');
  });

  test.each(['.', '..', 'a/b', 'a:b', 'a b', 'eth%d', 'a\tb', 'a'.repeat(16)])(
    'CNI-10: refuses the interface name %j',
    (name) => {
      const refusal = refusalOf({ ...ADD_ENVIRONMENT, CNI_IFNAME: name });
      expect(refusal.code).toBe(4);
      expect(refusal.message).toContain('CNI_IFNAME');
    },
  );

  test.each(['eth0', 'a', 'eth0.100', '-x', 'net-1@2', 'a'.repeat(15)])(
    'CNI-10: takes the interface name %j',
    (name) => {
      expect(parseCall(encodeBody({ ...ADD_ENVIRONMENT, CNI_IFNAME: name }))).toMatchObject({ ifname: name });
    },
  );

  test('CNI-22: refuses prevResult with key and value, because it must be the first plugin', () => {
    const refusal = refusalOf(ADD_ENVIRONMENT, { ...CONFIG, prevResult: { cniVersion: '1.0.0', ips: [] } });
    expect(refusal.code).toBe(2);
    expect(refusal.message).toBe('"prevResult": {"cniVersion":"1.0.0","ips":[]} is not supported');
    expect(refusal.details).toContain('first plugin');
  });

  test.each([{ ipam: { type: 'host-local' } }, { ipMasq: true }])(
    'CNI-61: refuses %j, which it would ignore',
    (extra) => {
      expect(refusalOf(ADD_ENVIRONMENT, { ...CONFIG, ...extra }).code).toBe(2);
    },
  );

  test('CNI-1, CNI-2: ignores unknown keys, capabilities, runtimeConfig, args and an empty ipam', () => {
    const config = {
      ...CONFIG,
      capabilities: { portMappings: true },
      runtimeConfig: { portMappings: [] },
      args: { cni: {} },
      'cni.dev/anything': 1,
      ipam: {},
    };
    expect(parseCall(encodeBody(ADD_ENVIRONMENT, config)).command).toBe('ADD');
  });

  test('keeps dns for the result', () => {
    const dns = { nameservers: ['10.96.0.10'], search: ['svc.local'] };
    expect(parseCall(encodeBody(ADD_ENVIRONMENT, { ...CONFIG, dns }))).toMatchObject({ config: { dns } });
  });

  test('says where the configuration is wrong', () => {
    const refusal = refusalOf(ADD_ENVIRONMENT, { ...CONFIG, name: '-', dns: { nameservers: [1] } });
    expect(refusal.code).toBe(7);
    expect(refusal.message).toContain('name: must be a letter or digit');
    expect(refusal.message).toContain('dns.nameservers.0');
  });
});

describe('the version', () => {
  test.each(SUPPORTED_VERSIONS)('CNI-3: %s is supported', (cniVersion) => {
    expect(parseCall(encodeBody(ADD_ENVIRONMENT, { ...CONFIG, cniVersion }))).toMatchObject({ cniVersion });
  });

  test.each(['0.2.0', '2.0.0', '1.1', ''])('CNI-3: %j is refused with code 1', (cniVersion) => {
    expect(refusalOf(ADD_ENVIRONMENT, { ...CONFIG, cniVersion }).code).toBe(1);
  });

  test('CNI-3: a missing one is refused with code 1, one that is no text with code 7', () => {
    expect(refusalOf(ADD_ENVIRONMENT, { name: 'x' }).code).toBe(1);
    expect(refusalOf(ADD_ENVIRONMENT, { name: 'x', cniVersion: 1 }).code).toBe(7);
  });

  test.each([
    ['CHECK', '0.3.1'],
    ['STATUS', '1.0.0'],
    ['GC', '1.0.0'],
  ])('CNI-40, CNI-50, CNI-51: %s does not exist in %s', (command, cniVersion) => {
    expect(refusalOf({ ...ADD_ENVIRONMENT, CNI_COMMAND: command }, { ...CONFIG, cniVersion }).code).toBe(1);
  });

  test('for an error is told even when it is not supported, and undefined when it cannot be read', () => {
    expect(statedVersion(encodeBody(ADD_ENVIRONMENT, { cniVersion: '9.9.9' }))).toBe('9.9.9');
    expect(statedVersion(encodeBody(ADD_ENVIRONMENT, '{'))).toBeUndefined();
    expect(statedVersion(Buffer.from('no end'))).toBeUndefined();
  });
});

describe('a CHECK', () => {
  const environment = { ...ADD_ENVIRONMENT, CNI_COMMAND: 'CHECK' };

  test('CNI-40: is read with the result of the ADD', () => {
    const prevResult = {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'eth0', mac: '0a:00:00:00:00:02', sandbox: '/run/netns/pod', mtu: 1500 }],
      ips: [{ address: '10.244.1.7/32', interface: 0 }],
      routes: [],
    };
    expect(parseCall(encodeBody(environment, { ...CONFIG, prevResult }))).toEqual({
      command: 'CHECK',
      cniVersion: '1.0.0',
      containerId: 'c0ffee',
      ifname: 'eth0',
      netns: '/run/netns/pod',
      prevResult: {
        interfaces: [{ name: 'eth0', mac: '0a:00:00:00:00:02', sandbox: '/run/netns/pod' }],
        ips: [{ address: '10.244.1.7/32' }],
      },
    });
  });

  test.each([undefined, null, 'x', [], { interfaces: {} }, { interfaces: [{}] }, { ips: [{ address: 4 }] }])(
    'CNI-40: with %j for a result is refused with code 7',
    (prevResult) => {
      const refusal = refusalOf(environment, { ...CONFIG, prevResult });
      expect(refusal.code).toBe(7);
      expect(refusal.message).toContain('prevResult');
    },
  );
});

describe('a GC', () => {
  const environment = { CNI_COMMAND: 'GC', CNI_PATH: '/opt/cni/bin' };
  const config = { ...CONFIG, cniVersion: '1.1.0' };
  const key = 'cni.dev/valid-attachments';

  test('CNI-51: is read with what stays, which may be nothing', () => {
    const valid = [{ containerID: 'a', ifname: 'eth0', extra: 1 }];
    expect(parseCall(encodeBody(environment, { ...config, [key]: valid, 'cni.dev/attachments': [] }))).toEqual({
      command: 'GC',
      cniVersion: '1.1.0',
      network: 'sluice',
      valid: [{ containerId: 'a', ifname: 'eth0' }],
    });
    expect(parseCall(encodeBody(environment, { ...config, [key]: [] }))).toMatchObject({ valid: [] });
  });

  test.each([undefined, null, {}, 'all', [null], [{ containerID: 'a' }], [{ containerID: '', ifname: 'eth0' }]])(
    'CNI-51: with %j for what stays is refused with code 7',
    (valid) => {
      const refusal = refusalOf(environment, { ...config, [key]: valid });
      expect(refusal.code).toBe(7);
      expect(refusal.message).toContain(key);
    },
  );

  test('CNI-11: needs CNI_PATH, and the name of the network', () => {
    expect(refusalOf({ CNI_COMMAND: 'GC' }, { ...config, [key]: [] }).code).toBe(4);
    expect(refusalOf(environment, { cniVersion: '1.1.0', [key]: [] }).code).toBe(7);
  });
});

describe('a DEL', () => {
  test('CNI-30: needs neither netns nor valid arguments nor the configuration of an ADD', () => {
    const environment = { ...DEL_ENVIRONMENT, CNI_NETNS: '', CNI_ARGS: 'broken' };
    const config = { cniVersion: '1.0.0', prevResult: 'broken', ipam: { type: 'x' } };
    expect(parseCall(encodeBody(environment, config))).toEqual({
      command: 'DEL',
      cniVersion: '1.0.0',
      containerId: 'c0ffee',
      ifname: 'eth0',
      netns: '',
    });
  });
});

const withArgs = (args: string): Record<string, string> => ({ ...ADD_ENVIRONMENT, CNI_ARGS: args });

describe('CNI_ARGS', () => {
  test('CNI-13: an unknown key is refused unless IgnoreUnknown says otherwise', () => {
    expect(refusalOf(withArgs('COLOUR=red')).message).toBe('CNI_ARGS has unknown keys: COLOUR');
    expect(refusalOf(withArgs('COLOUR=red;IgnoreUnknown=0')).code).toBe(4);
    for (const allowed of ['IgnoreUnknown=1;COLOUR=red', 'COLOUR=red;IgnoreUnknown=true', '']) {
      expect(parseCall(encodeBody(withArgs(allowed))).command).toBe('ADD');
    }
  });

  test('CNI-13: values may hold anything but a semicolon', () => {
    const call = parseCall(encodeBody({ ...ADD_ENVIRONMENT, CNI_ARGS: 'K8S_POD_NAME=a=b c/ü;IgnoreUnknown=1' }));
    expect(call).toMatchObject({ pod: { name: 'a=b c/ü' } });
  });

  test('a pair without = is refused', () => {
    expect(refusalOf({ ...ADD_ENVIRONMENT, CNI_ARGS: 'IgnoreUnknown' }).code).toBe(4);
  });
});

describe('the body', () => {
  test('without an end of the environment is refused', () => {
    expect(thrownBy(() => parseCall(Buffer.from('CNI_COMMAND=ADD\0'))).code).toBe(103);
    expect(thrownBy(() => parseCall(Buffer.alloc(0))).code).toBe(103);
  });

  test('keeps the first of two variables of one name, and ignores what is no variable', () => {
    const body = Buffer.from(`CNI_COMMAND=VERSION\0CNI_COMMAND=ADD\0CNI_X\0=y\0\0`);
    expect(parseCall(body)).toEqual({ command: 'VERSION' });
  });

  test.each(['', '{', '[]', 'null', '"x"', '{"cniVersion":"1.0.0"} x', '\ufeff{}'])(
    'CNI-61: %j is code 6',
    (config) => {
      expect(refusalOf(ADD_ENVIRONMENT, config).code).toBe(6);
    },
  );

  test('CNI-61: a configuration that is not UTF-8 is code 6', () => {
    const body = Buffer.concat([encodeBody(ADD_ENVIRONMENT, '{"name":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(thrownBy(() => parseCall(body)).code).toBe(6);
  });

  test('any bytes are read or refused with a CniError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.jsonValue(), (noise, config) => {
        for (const body of [noise, encodeBody(ADD_ENVIRONMENT, JSON.stringify(config))]) {
          try {
            parseCall(body);
          } catch (error) {
            if (!(error instanceof CniError)) throw error;
          }
        }
      }),
    );
  });
});

test('keys of two attachments differ whenever the attachments do', () => {
  expect(attachmentKey({ containerId: 'a-b', ifname: 'c' })).not.toBe(
    attachmentKey({ containerId: 'a', ifname: 'b-c' }),
  );
});
