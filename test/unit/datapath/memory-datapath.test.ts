import { DEFAULT_LIMITS } from '../../../src/datapath/capacity.ts';
import { MemoryDatapath } from '../../../src/datapath/memory/datapath.ts';
import { MemoryStore } from '../../../src/datapath/memory/store.ts';
import { datapathContract } from './contract.ts';

datapathContract('memory', async (limits) => {
  const options = { store: new MemoryStore(), limits: { ...DEFAULT_LIMITS, ...limits } };
  let interfaces = 10;
  return {
    datapath: await MemoryDatapath.open(options),
    makeInterface: () => interfaces++,
    restart: async () => MemoryDatapath.open(options),
    cleanUp: async () => undefined,
  };
});
