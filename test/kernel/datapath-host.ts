/** An eBPF datapath with namespace, interfaces and pins of its own. */
import { EbpfDatapath, type EbpfOptions } from '../../src/datapath/ebpf/datapath.ts';
import { DEFAULT_LIMITS, type TableLimits } from '../../src/datapath/capacity.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { mountPinRoot, type PinRoot } from '../support/bpf/pins.ts';
import { OBJECT } from '../support/loaded-programs.ts';
import { makeNetns, type TestNetns } from '../support/netns.ts';

/** Making the real flow tables takes longer than a test. */
const SMALL: TableLimits = { ...DEFAULT_LIMITS, addresses: 4096, prefixes: 4096, rows: 4096 };

export class DatapathHost {
  readonly netns: TestNetns = makeNetns('dp');
  readonly pinRoot: PinRoot = mountPinRoot();
  readonly options: EbpfOptions;
  readonly #opened: EbpfDatapath[] = [];
  #interfaces = 0;

  constructor(options: Partial<EbpfOptions> = {}) {
    this.options = {
      object: OBJECT,
      pinRoot: this.pinRoot.path,
      instance: 'test',
      limits: SMALL,
      flows: { new: 1024, live: 1024 },
      inNamespace: (work) => withNetns(this.netns.fd, work),
      ...options,
    };
  }

  async open(options: Partial<EbpfOptions> = {}): Promise<EbpfDatapath> {
    const datapath = await EbpfDatapath.open({ ...this.options, ...options });
    this.#opened.push(datapath);
    return datapath;
  }

  /** For a host that nobody would clean up if this failed. */
  async openOrCleanUp(options: Partial<EbpfOptions>): Promise<EbpfDatapath> {
    try {
      return await this.open(options);
    } catch (error) {
      await this.cleanUp();
      throw error;
    }
  }

  /** Index of a new interface in the namespace. */
  makeInterface(): number {
    const name = `pod${++this.#interfaces}`;
    this.netns.exec('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`);
    return Number(this.netns.ip('link', 'show', name)[0]?.['ifindex']);
  }

  removeInterface(number: number): void {
    this.netns.exec('ip', 'link', 'del', `pod${number}`);
  }

  async cleanUp(): Promise<void> {
    try {
      for (const datapath of this.#opened) await datapath.close();
    } finally {
      this.pinRoot[Symbol.dispose]();
      this.netns.remove();
    }
  }
}
