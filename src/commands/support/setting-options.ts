/** Every setting of the agent as an option. The command line loads this always, so it loads nothing that is large. */
import type { Command } from 'commander';
import { SETTINGS } from '../../agent/options.ts';
import { fallbackText, type Setting } from '../../agent/settings/setting.ts';

export function addSettingOptions(command: Command): Command {
  command.option('--config <file>', 'settings that no option and no variable gives: YAML or JSON');
  for (const setting of Object.values<Setting<unknown>>(SETTINGS)) {
    const otherwise = fallbackText(setting);
    const needed = setting.fallback === undefined ? 'needed: ' : '';
    const text = otherwise === '' ? '' : ` (default: ${otherwise})`;
    command.option(setting.flags, `${needed}${setting.description}${text}`);
  }
  return command;
}
