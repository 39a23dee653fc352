/** The eBPF datapath keeps the contract of every datapath, attached in either way. */
import { DEFAULT_LIMITS } from '../../src/datapath/capacity.ts';
import { datapathContract } from '../unit/datapath/contract.ts';
import { DatapathHost } from './datapath-host.ts';

for (const attach of ['tcx', 'clsact'] as const) {
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
