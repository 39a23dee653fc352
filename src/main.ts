#!/usr/bin/env node
/** The command line. Each subcommand's code is loaded only when it runs. */
import { Command, Option } from 'commander';
import { ConfigError, errorMessage } from './lib/errors.ts';

const DEFAULT_OBJECT = new URL('../dist/bpf/sluice.bpf.o', import.meta.url).pathname;

const program = new Command('sluice')
  .description('CNI plugin and NetworkPolicy enforcer for Kubernetes')
  .showSuggestionAfterError()
  .showHelpAfterError('(add --help for what there is)');

const instance = (): Option => new Option('--instance <name>', 'which agent of this machine').default('default');
const runDir = (): Option =>
  new Option('--run-dir <dir>', 'socket, records and locks of every instance').default('/run/sluice');

program
  .command('agent')
  .description('wire pods and enforce policies on this node')
  .requiredOption('--source <source>', 'the desired state: manifests:DIR, a folder of Kubernetes YAML')
  .requiredOption('--node <name>', 'name of this node among the Node objects')
  .addOption(instance())
  .addOption(runDir())
  .option('--state-dir <dir>', 'what outlives a reboot', '/var/lib/sluice')
  .option('--bpf-root <dir>', 'a bpffs; programs and maps are pinned below it', '/sys/fs/bpf')
  .option('--object <file>', 'the compiled eBPF programs', DEFAULT_OBJECT)
  .option('--attach <mode>', 'how programs hang on interfaces: auto, tcx or clsact', 'auto')
  .option('--mtu <bytes>', 'of the pods’ interfaces', '1500')
  .option('--pod-wait <seconds>', 'how long ADD waits for the pod to appear in the desired state', '10')
  .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent', 'info')
  .action(async (options) => (await import('./commands/agent.ts')).runAgent(options));

program
  .command('status')
  .description('what an agent does now: endpoints, what is in force, problems, counters')
  .addOption(instance())
  .addOption(runDir())
  .option('-o, --output <format>', 'table or json', 'table')
  .action(async (options) => (await import('./commands/status.ts')).runStatus(options));

program
  .command('drops')
  .description('follow dropped packets, each with the policies that isolate the pod')
  .addOption(instance())
  .addOption(runDir())
  .option('-o, --output <format>', 'text or json (one object a line)', 'text')
  .action(async (options) => (await import('./commands/drops.ts')).runDrops(options));

program
  .command('sync')
  .description('read the folder of manifests now and wait until it is in force')
  .addOption(instance())
  .addOption(runDir())
  .action(async (options) => (await import('./commands/sync.ts')).runSync(options));

try {
  await program.parseAsync();
} catch (error) {
  console.error(`sluice: ${errorMessage(error)}`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
}
