/** How a person names the two ends and the port of a flow, and what a slip is answered with. */
import { describe, expect, test } from 'vitest';
import { loadCluster } from '../../../src/cluster/manifests/load-cluster.ts';
import { readFlowEnd } from '../../../src/commands/support/flow-end.ts';
import { portAt, readPort } from '../../../src/commands/support/flow-port.ts';
import { DryRun } from '../../../src/policy/dry-run.ts';
import { parseAddress } from '../../../src/net/address.ts';
import { addressNumber } from '../../../src/policy/address-range.ts';

const TEXT = `
apiVersion: v1
kind: Node
metadata: { name: n1 }
spec: { podCIDRs: [203.0.113.0/24] }
status: { addresses: [{ type: InternalIP, address: 192.168.0.1 }, { type: ExternalIP, address: 198.51.100.1 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec: { replicas: 2, template: { metadata: { labels: { app: web } }, spec: { containers: [{ ports: [{ name: http, containerPort: 8080 }] }] } } }
---
apiVersion: v1
kind: Pod
metadata: { name: alone }
---
apiVersion: v1
kind: Pod
metadata: { name: agent, namespace: shop }
spec: { hostNetwork: true, nodeName: n1 }
---
apiVersion: v1
kind: Pod
metadata: { name: lost, namespace: shop }
spec: { hostNetwork: true, nodeName: n2 }
---
apiVersion: v1
kind: Pod
metadata: { name: done, namespace: shop }
status: { phase: Succeeded }
`;
const cluster = await loadCluster([], [{ name: 'in.yaml', text: TEXT }]);
const dryRun = new DryRun(cluster.changes);
const labels = (text: string): readonly string[] => readFlowEnd(text, cluster, dryRun).cells.map(({ label }) => label);

describe('an end', () => {
  test.each([
    ['shop/web-1', ['shop/web-1']],
    ['alone', ['default/alone']],
    ['default/alone', ['default/alone']],
    ['shop/deploy/web', ['shop/web-1', 'shop/web-2']],
    ['shop/deployments/web', ['shop/web-1', 'shop/web-2']],
    ['shop/*', ['shop/web-1', 'shop/web-2']],
    ['shop/agent', ['shop/agent', 'shop/agent']],
    ['192.0.2.1', ['192.0.2.1']],
    ['2001:DB8:0::1', ['2001:db8::1']],
    ['192.0.2.77/24', ['192.0.2.0/24']],
    ['node/n1', ['192.168.0.1', '198.51.100.1']],
  ])('%s', (text, expected) => {
    expect(labels(text)).toEqual(expected);
  });

  test.each([
    ['shop/wbe-1', 'there is no pod "shop/wbe-1" in the input; there is shop/web-1, shop/web-2'],
    ['shop/deploy/wbe', 'there is no Deployment shop/wbe in the input; there is shop/deployment/web'],
    ['nowhere/*', 'namespace "nowhere" has no pods in the input'],
    ['node/n9', 'there is no Node "n9" in the input'],
    ['shop/done', 'pod shop/done has finished'],
    ['shop/lost', 'the address of node n2 is not known: add the Node object'],
    ['10.0.0.0/33', 'there is no pod "10.0.0.0/33" in the input'],
    ['', 'there is no pod "" in the input'],
    ['a/b/c/d', 'there is no pod "a/b/c/d" in the input'],
    ['__proto__/constructor', 'there is no pod "__proto__/constructor" in the input'],
  ])('%s is answered with what is wrong', (text, message) => {
    expect(() => labels(text)).toThrow(message);
  });

  test('internet is what is public and nobody’s in the cluster', () => {
    const { cells } = readFlowEnd('internet', cluster, dryRun);
    const holds = (text: string): boolean => {
      const address = parseAddress(text)!;
      const number = addressNumber(address);
      return cells.some(
        ({ family, range }) =>
          family === address.family && range !== undefined && range.first <= number && range.last >= number,
      );
    };
    expect(['1.1.1.1', '192.0.2.1', '198.51.100.2', '2001:db8::1'].filter((text) => !holds(text))).toEqual([]);
    const own = [
      '10.1.2.3',
      '172.20.0.1',
      '192.168.0.1',
      '127.0.0.1',
      '169.254.1.1',
      '100.64.0.1',
      '224.0.0.1',
      '255.255.255.255',
      'fd00::1',
    ];
    expect([...own, '203.0.113.5', '198.51.100.1'].filter(holds)).toEqual([]);
  });
});

describe('a port', () => {
  test.each([
    ['80', { kind: 'number', protocol: 'TCP', port: 80 }],
    ['80/tcp', { kind: 'number', protocol: 'TCP', port: 80 }],
    ['53/UDP', { kind: 'number', protocol: 'UDP', port: 53 }],
    ['http', { kind: 'name', protocol: 'TCP', name: 'http' }],
    ['dns/udp', { kind: 'name', protocol: 'UDP', name: 'dns' }],
    ['ICMP', { kind: 'number', protocol: 'ICMP', port: 0 }],
    ['icmpv6', { kind: 'number', protocol: 'ICMPv6', port: 0 }],
  ])('%s', (text, expected) => {
    expect(readPort(text)).toEqual(expected);
  });

  test.each(['0', '65536', '-1', '80.5', '', '80/', '80/QUIC', '80/TCP/x', 'HTTP', 'a--', 'toString/TCP', '１２'])(
    '%s is no port, and the message says how one is written',
    (text) => {
      expect(() => readPort(text)).toThrow('write a number from 1 to 65535');
    },
  );

  test('NP-45: a name is the destination pod’s', () => {
    const [cell] = readFlowEnd('shop/web-1', cluster, dryRun).cells;
    expect(portAt(readPort('http'), cell!)).toEqual({ protocol: 'TCP', port: 8080 });
    expect(() => portAt(readPort('sql'), cell!)).toThrow(
      'shop/web-1 declares no TCP port of that name; it has http (TCP 8080)',
    );
    expect(() => portAt(readPort('http/UDP'), cell!)).toThrow('declares no UDP port of that name');
    const [address] = readFlowEnd('192.0.2.1', cluster, dryRun).cells;
    expect(() => portAt(readPort('http'), address!)).toThrow('192.0.2.1 is no pod');
  });
});
