/** The eBPF datapath keeps the contract of every datapath, attached in the way that it chooses on this kernel. */
import { DEFAULT_LIMITS } from '../../../src/datapath/capacity.ts';
import { DatapathHost } from '../../kernel/datapath-host.ts';
import { datapathContract } from '../../unit/datapath/contract.ts';

datapathContract('ebpf', async (limits) => {
  const host = new DatapathHost();
  const options = { limits: { ...(host.options.limits ?? DEFAULT_LIMITS), ...limits } };
  return {
    datapath: await host.openOrCleanUp(options),
    makeInterface: () => host.makeInterface(),
    restart: async () => host.open(options),
    cleanUp: async () => host.cleanUp(),
  };
});
