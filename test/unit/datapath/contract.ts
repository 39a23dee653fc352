/** What every Datapath does. Run for memory/ by a unit test and for ebpf/ by a kernel test. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Datapath, EndpointWiring } from '../../../src/datapath/datapath.ts';
import { CapacityError } from '../../../src/lib/errors.ts';
import type { TableLimits } from '../../../src/datapath/capacity.ts';
import { ANY_PEER, type PortTerm, type World, WorldCompiler } from './table-world.ts';

export interface DatapathUnderTest {
  readonly datapath: Datapath;
  /** Makes an interface to attach to; returns its index. */
  makeInterface(): number;
  /** Ends the datapath without its help, as a dead process does, and starts another on what it left. */
  restart(): Promise<Datapath>;
  cleanUp(): Promise<void>;
}

export type MakeDatapath = (limits?: Partial<TableLimits>) => Promise<DatapathUnderTest>;

const HTTP: PortTerm = { protocol: 0, first: 80, last: 80 };
const DNS: PortTerm = { protocol: 1, first: 53, last: 53 };
const FRIEND = 1;
const STRANGER = 2;

const BASE: World = {
  addresses: { '10.0.0.1': FRIEND, '10.0.0.2': STRANGER, 'fd00::1': FRIEND },
  prefixes: { '10.0.0.0/16': 'unknown', '192.0.2.0/24': FRIEND, '192.0.2.128/25': STRANGER },
  portTerms: [HTTP, DNS],
  endpoints: { 7: { ingress: [[0, 0]], egress: 'open' } },
};

export function datapathContract(name: string, make: MakeDatapath): void {
  describe(`${name} keeps the contract of Datapath`, () => {
    let subject: DatapathUnderTest;
    let datapath: Datapath;
    let compiler: WorldCompiler;
    let wiring: EndpointWiring;

    const start = async (limits?: Partial<TableLimits>): Promise<void> => {
      subject = await make(limits);
      datapath = subject.datapath;
      compiler = new WorldCompiler();
      wiring = wire(7, subject.makeInterface(), ['10.0.0.7', 'fd00::7']);
    };
    const ingressFrom = (source: string, port = 80): string | undefined =>
      datapath.judge({
        source,
        destination: source.includes(':') ? 'fd00::7' : '10.0.0.7',
        protocol: 6,
        destinationPort: port,
      }).ingress;
    const egressTo = (destination: string): string | undefined =>
      datapath.judge({ source: '10.0.0.7', destination, protocol: 6, destinationPort: 80 }).egress;

    beforeEach(async () => start());
    afterEach(async () => subject.cleanUp());

    test('an attached endpoint is closed in both directions until tables name it', async () => {
      await datapath.attachEndpoint(wiring);
      expect(datapath.endpoints()).toEqual(new Map([[7, wiring]]));
      expect(ingressFrom('10.0.0.1')).toBe('deny');
      expect(egressTo('10.0.0.1')).toBe('deny');
      await datapath.apply(compiler.compile({ ...BASE, endpoints: {} }));
      expect(ingressFrom('10.0.0.1')).toBe('deny');
      expect(egressTo('10.0.0.1')).toBe('deny');
    });

    test('tables decide by class and port: addresses before prefixes, the longest prefix before others', async () => {
      await datapath.attachEndpoint(wiring);
      const realized = await datapath.apply(compiler.compile(BASE));
      expect(realized).toMatchObject({ revision: 1 });
      expect(ingressFrom('10.0.0.1')).toBe('allow');
      expect(ingressFrom('fd00::1')).toBe('allow');
      expect(ingressFrom('10.0.0.1', 81)).toBe('deny');
      expect(ingressFrom('10.0.0.2')).toBe('deny');
      expect(ingressFrom('10.0.0.3')).toBe('deny');
      expect(ingressFrom('192.0.2.1')).toBe('allow');
      expect(ingressFrom('192.0.2.129')).toBe('deny');
      expect(ingressFrom('198.51.100.1')).toBe('deny');
      expect(egressTo('198.51.100.1')).toBe('allow');
      expect(datapath.judge({ source: '10.0.0.1', destination: '10.0.0.2', protocol: 6, destinationPort: 80 })).toEqual(
        {
          egress: undefined,
          ingress: undefined,
        },
      );
    });

    test('an unchanged table costs no write and no generation', async () => {
      await datapath.attachEndpoint(wiring);
      const first = await datapath.apply(compiler.compile(BASE));
      const second = await datapath.apply(compiler.compile(BASE));
      expect(second).toEqual({ generation: first.generation, revision: 2, writes: 0 });
    });

    test("a pod's start is written in force: the generation stays", async () => {
      await datapath.attachEndpoint(wiring);
      const first = await datapath.apply(compiler.compile(BASE));
      const started = wire(8, subject.makeInterface(), ['10.0.0.8']);
      await datapath.attachEndpoint(started);
      const world: World = {
        ...BASE,
        addresses: { ...BASE.addresses, '10.0.0.8': FRIEND },
        endpoints: { ...BASE.endpoints, 8: { ingress: [[1, 1]], egress: 'open' } },
      };
      const second = await datapath.apply(compiler.compile(world));
      expect(second.generation).toBe(first.generation);
      expect(second.writes).toBeGreaterThan(0);
      expect(datapath.judge({ source: '10.0.0.8', destination: '10.0.0.7', protocol: 6, destinationPort: 80 })).toEqual(
        {
          egress: 'allow',
          ingress: 'allow',
        },
      );
      expect(
        datapath.judge({ source: '10.0.0.2', destination: '10.0.0.8', protocol: 17, destinationPort: 53 }),
      ).toEqual({
        egress: undefined,
        ingress: 'allow',
      });
    });

    test('a change of policy, class or port takes the next generation', async () => {
      await datapath.attachEndpoint(wiring);
      const { generation } = await datapath.apply(compiler.compile(BASE));
      const changed: World = {
        ...BASE,
        addresses: { ...BASE.addresses, '10.0.0.2': FRIEND },
        prefixes: { '10.0.0.0/16': 'unknown', '192.0.2.0/25': STRANGER },
        portTerms: [HTTP, DNS, { protocol: 0, first: 8000, last: 8999 }],
        endpoints: { 7: { ingress: [[0, 2]], egress: [[ANY_PEER, 0]] } },
      };
      const next = await datapath.apply(compiler.compile(changed));
      expect(next.generation).toBe(generation + 1);
      expect(ingressFrom('10.0.0.1')).toBe('deny');
      expect(ingressFrom('10.0.0.2', 8500)).toBe('allow');
      expect(ingressFrom('192.0.2.1', 8500)).toBe('deny');
      expect(ingressFrom('192.0.2.200', 8500)).toBe('deny');
      expect(egressTo('198.51.100.1')).toBe('allow');
    });

    test('NP-81: a pod may speak to its own node whatever its policies say; NP-85: and to itself', async () => {
      await datapath.attachEndpoint(wiring);
      const world: World = {
        ...BASE,
        addresses: { ...BASE.addresses, '203.0.113.1': 'own' },
        endpoints: { 7: { ingress: [], egress: [] } },
      };
      await datapath.apply(compiler.compile(world));
      expect(egressTo('203.0.113.1')).toBe('allow');
      expect(egressTo('203.0.113.2')).toBe('deny');
      expect(egressTo('10.0.0.7')).toBe('allow');
      expect(ingressFrom('10.0.0.7')).toBe('allow');
    });

    test('an endpoint that the tables no longer name is closed', async () => {
      await datapath.attachEndpoint(wiring);
      await datapath.apply(compiler.compile(BASE));
      await datapath.apply(compiler.compile({ ...BASE, endpoints: {} }));
      expect(ingressFrom('10.0.0.1')).toBe('deny');
      expect(egressTo('10.0.0.1')).toBe('deny');
    });

    test('a detached endpoint leaves nothing; its address is a plain one again, or unknown', async () => {
      await datapath.attachEndpoint(wiring);
      await datapath.apply(compiler.compile(BASE));
      await datapath.detachEndpoint(7);
      await datapath.detachEndpoint(7);
      await datapath.detachEndpoint(99);
      expect(datapath.endpoints().size).toBe(0);
      expect(ingressFrom('10.0.0.1')).toBeUndefined();
      const successor = wire(8, subject.makeInterface(), ['10.0.0.7']);
      await datapath.attachEndpoint(successor);
      expect(ingressFrom('10.0.0.1')).toBe('deny');
    });

    test('an address or an interface of another endpoint is refused', async () => {
      await datapath.attachEndpoint(wiring);
      await expect(datapath.attachEndpoint({ ...wiring, id: 8 })).rejects.toThrow('belongs to endpoint 7');
      await expect(datapath.attachEndpoint(wire(8, subject.makeInterface(), ['10.0.0.7']))).rejects.toThrow(
        'belongs to endpoint 7',
      );
      await expect(datapath.attachEndpoint({ ...wiring, addresses: [] })).rejects.toThrow('another wiring');
      await expect(datapath.attachEndpoint({ ...wiring, id: 9, mac: 'nonsense' })).rejects.toThrow('nonsense');
      expect([...datapath.endpoints().keys()]).toEqual([7]);
    });

    test('tables that do not fit are refused whole; what they newly isolate is closed', async () => {
      await subject.cleanUp();
      await start({ rows: 2 });
      await datapath.attachEndpoint(wiring);
      const { generation } = await datapath.apply(compiler.compile(BASE));
      const refused = compiler.compile({
        ...BASE,
        endpoints: {
          7: {
            ingress: [[0, 0]],
            egress: [
              [0, 0],
              [1, 1],
              [ANY_PEER, 0],
            ],
          },
        },
      });
      const error: unknown = await datapath.apply(refused).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(CapacityError);
      expect(error).toMatchObject({
        limit: 'rows',
        available: 2,
        closed: [{ endpointId: 7, direction: 'egress', policies: ['ns/policy'] }],
      });
      expect(ingressFrom('10.0.0.1')).toBe('allow');
      expect(egressTo('10.0.0.1')).toBe('deny');
      const back = await datapath.apply(compiler.compile(BASE));
      expect(back.generation).toBe(generation + 2);
      expect(egressTo('10.0.0.1')).toBe('allow');
    });

    test('of tables that do not fit, what needs no room is in force: a pod starts, another ends', async () => {
      await subject.cleanUp();
      await start({ rows: 2 });
      const started = wire(8, subject.makeInterface(), ['10.0.0.8']);
      await datapath.attachEndpoint(wiring);
      await datapath.apply(compiler.compile(BASE));
      await datapath.attachEndpoint(started);
      const { '10.0.0.2': _ended, ...others } = BASE.addresses;
      const refused = compiler.compile({
        ...BASE,
        addresses: { ...others, '10.0.0.8': FRIEND, '10.0.0.9': 4, '10.0.0.1': 4 },
        endpoints: {
          7: { ingress: [[2, 0]], egress: 'open' },
          8: { ingress: [[0, 0]], egress: [[ANY_PEER, 0]] },
        },
      });
      await expect(datapath.apply(refused)).rejects.toBeInstanceOf(CapacityError);
      // Endpoint 7 keeps its rule set, the pod at 10.0.0.1 its class.
      expect(ingressFrom('10.0.0.1')).toBe('allow');
      expect(ingressFrom('10.0.0.8')).toBe('allow');
      expect(ingressFrom('10.0.0.9')).toBe('deny');
      const toStarted = { source: '10.0.0.1', destination: '10.0.0.8', protocol: 6, destinationPort: 80 };
      expect(datapath.judge(toStarted).ingress).toBe('allow');
      expect(datapath.judge({ ...toStarted, source: '10.0.0.8', destination: '10.0.0.1' }).egress).toBe('deny');
      expect(await datapath.apply(compiler.compile(BASE))).toMatchObject({ revision: 3 });
      expect(ingressFrom('10.0.0.2')).toBe('deny');
    });

    test('calls are run one after the other', async () => {
      const other = wire(8, subject.makeInterface(), ['10.0.0.8']);
      const world: World = { ...BASE, endpoints: { ...BASE.endpoints, 8: { ingress: 'open', egress: 'open' } } };
      const [, , first, , second] = await Promise.all([
        datapath.attachEndpoint(wiring),
        datapath.attachEndpoint(other),
        datapath.apply(compiler.compile(BASE)),
        datapath.detachEndpoint(7),
        datapath.apply(compiler.compile(world)),
      ]);
      expect(second.revision).toBe(first.revision + 1);
      expect([...datapath.endpoints().keys()]).toEqual([8]);
      const flow = { source: '10.0.0.1', destination: '10.0.0.8', protocol: 6, destinationPort: 1 };
      expect(datapath.judge(flow).ingress).toBe('allow');
    });

    test('a new process carries on where a dead one ended, without a gap', async () => {
      await datapath.attachEndpoint(wiring);
      const before = await datapath.apply(compiler.compile(BASE));
      datapath = await subject.restart();
      expect(datapath.endpoints()).toEqual(new Map([[7, wiring]]));
      expect(ingressFrom('10.0.0.1')).toBe('allow');
      expect(ingressFrom('10.0.0.2')).toBe('deny');
      await datapath.attachEndpoint(wiring);
      expect(ingressFrom('10.0.0.1')).toBe('allow');
      const same = await datapath.apply(compiler.compile(BASE));
      expect(same).toMatchObject({ generation: before.generation, writes: 0 });
      await datapath.detachEndpoint(7);
      expect(datapath.endpoints().size).toBe(0);
    });
  });
}

export function wire(id: number, ifindex: number, addresses: readonly string[]): EndpointWiring {
  const octet = id.toString(16).padStart(2, '0');
  return {
    id,
    ifindex,
    addresses,
    mac: `02:00:00:00:01:${octet}`,
    hostMac: `02:00:00:00:02:${octet}`,
    noPeer: false,
  };
}
