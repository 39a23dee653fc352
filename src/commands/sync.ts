/** `sluice sync`: returns when what the folder of manifests holds now is in force. */
import { type InstanceOptions, readStatus } from './local-agent.ts';

export async function runSync(options: InstanceOptions): Promise<void> {
  const { tables } = await readStatus(options, 'POST', '/v1/sync');
  console.log(`in force: generation ${tables.generation}`);
}
