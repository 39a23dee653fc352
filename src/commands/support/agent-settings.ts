/** The settings of the agent from the command line of `sluice agent` and `sluice config`. */
import { resolve } from 'node:path';
import { type Settled, settleSettings } from '../../agent/settings/settle.ts';

/** As commander gives them: of each setting, whose option was given, its text or texts. */
export type SettingOptions = Readonly<Record<string, unknown>> & { readonly config?: string };

/** @throws ConfigError with everything that is wrong. */
export async function settleFrom(options: SettingOptions, object: string): Promise<Settled> {
  return await settleSettings({
    options,
    environment: process.env,
    file: options.config === undefined ? undefined : resolve(options.config),
    workingDirectory: process.cwd(),
    installation: { object },
  });
}
