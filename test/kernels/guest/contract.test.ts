/** The eBPF datapath keeps the contract of every datapath, attached in the way that this kernel has. */
import { DEFAULT_LIMITS } from '../../../src/datapath/capacity.ts';
import { hasTcx } from '../../../src/kernel/bpf-link.ts';
import { DatapathHost } from '../../kernel/datapath-host.ts';
import { datapathContract } from '../../unit/datapath/contract.ts';

for (const attach of hasTcx() ? (['tcx', 'clsact'] as const) : (['clsact'] as const)) {
  datapathContract(`ebpf by ${attach}`, async (limits) => {
    const host = new DatapathHost({ attach });
    const options = { limits: { ...(host.options.limits ?? DEFAULT_LIMITS), ...limits } };
    return {
      datapath: await host.openOrCleanUp(options),
      makeInterface: () => host.makeInterface(),
      restart: async () => host.open(options),
      cleanUp: async () => host.cleanUp(),
    };
  });
}
