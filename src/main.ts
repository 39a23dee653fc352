#!/usr/bin/env node
/** The command line. Each subcommand's code is loaded only when it runs. */
import { Command, CommanderError, Option } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { addSettingOptions } from './commands/support/setting-options.ts';
import { ConfigError, errorMessage } from './lib/errors.ts';

const DEFAULT_OBJECT = new URL('../dist/bpf/sluice.bpf.o', import.meta.url).pathname;

/** What was asked for is not so, or could not be done. */
const EXIT_FAILURE = 1;
/** The command line, or what it names, is wrong: the same call will fail again. */
const EXIT_USAGE = 2;

const program = new Command('sluice')
  .description('CNI plugin and NetworkPolicy enforcer for Kubernetes')
  .version(packageJson.version, '-V, --version', 'print the version')
  .exitOverride()
  .showSuggestionAfterError()
  .showHelpAfterError('(add --help for what there is)');

const instance = (): Option => new Option('--instance <name>', 'which agent of this machine').default('default');
const runDir = (): Option =>
  new Option('--run-dir <dir>', 'socket, records and locks of every instance').default('/run/sluice');

addSettingOptions(program.command('agent'))
  .description('wire pods and enforce policies on this node')
  .action(async (options) => (await import('./commands/agent.ts')).runAgent(options, DEFAULT_OBJECT));

addSettingOptions(program.command('config'))
  .description('the settings that the agent has with these options, and where each comes from')
  .option('-o, --output <format>', 'table, json or yaml', 'table')
  .action(async (options) => (await import('./commands/config.ts')).runConfig(options, DEFAULT_OBJECT));

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
  .description('wait until what the source has brought, or the folder holds now, is in force')
  .addOption(instance())
  .addOption(runDir())
  .action(async (options) => (await import('./commands/sync.ts')).runSync(options));

program
  .command('wait <policy>')
  .description('return when every node enforces a policy: networkpolicy/NAME or clusternetworkpolicy/NAME')
  .option('-n, --namespace <name>', 'of the NetworkPolicy', 'default')
  .option('--timeout <seconds>', 'then it ends with 1 and names the nodes that do not enforce it', '60')
  .option('--system-namespace <name>', 'where Sluice is installed', 'sluice-system')
  .option('--context <name>', 'of the kubeconfig; default: its current one')
  .option('--kubeconfig <file>', 'default $KUBECONFIG, ~/.kube/config, the pod’s service account')
  .option('-o, --output <format>', 'table, json or yaml', 'table')
  .action(async (policy, options) => (await import('./commands/wait.ts')).runWait(policy, options));

program
  .command('install')
  .description('prepare this node for an agent: what the init container does')
  .option('--mount-bpf <dir>', 'mount a BPF file system there, if there is none')
  .option('--cni-bin <dir>', 'put the launcher into the folder of the container runtime’s plugins')
  .action(async (options) => (await import('./commands/install.ts')).runInstall(options));

program
  .command('uninstall')
  .description('remove everything of an instance from this node, and show that it is gone')
  .addOption(instance())
  .addOption(runDir())
  .option('--state-dir <dir>', 'what outlives a reboot', '/var/lib/sluice')
  .option('--bpf-root <dir>', 'a bpffs; programs and maps are pinned below it', '/sys/fs/bpf')
  .option('--cni-conf <dir>', 'where the container runtime reads its configurations', '/etc/cni/net.d')
  .option('--cni-bin <dir>', 'where the container runtime has its plugins', '/opt/cni/bin')
  .option('--force', 'also while pods use its network: they lose it')
  .option('--stay', 'do not end afterwards: for a DaemonSet')
  .action(async (options) => (await import('./commands/uninstall.ts')).runUninstall(options));

const FORMS_OF_MATRIX = 'table, json, markdown, mermaid, dot, svg, html or csv';

/** A command that judges manifests, or a live cluster without touching it. */
const dryRunCommand = (usage: string, description: string, formats: string): Command =>
  program
    .command(usage)
    .description(description)
    .option('-f, --file <path>', 'manifests: a file, a folder, or - for standard input (repeatable)', append)
    .option('--cluster', 'the live cluster; what -f names takes the place of what is there')
    .option('--context <name>', 'with --cluster: which context of the kubeconfig')
    .option('--kubeconfig <file>', 'with --cluster: default $KUBECONFIG, ~/.kube/config, the pod’s service account')
    .option('--pod-cidr <cidr>', 'where pods without an address get one from (one a family)', append)
    .option('-o, --output <format>', formats, 'table');

function append(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

dryRunCommand(
  'compile',
  'the tables that would be written for these manifests, and what they cost',
  'table, json, yaml or markdown',
)
  .option('--node <name>', 'print the tables of this node instead of a summary of all')
  .action(async (options) => (await import('./commands/compile.ts')).runCompile(options));

dryRunCommand('explain', 'may X talk to Y, and which rule decides', 'table, json or yaml')
  .requiredOption('--from <end>', 'NS/POD, NS/*, NS/deploy/NAME, an address, a CIDR, node/NAME, or internet')
  .requiredOption('--to <end>', 'the same')
  .option('--port <port>', 'of the destination: 8080, 53/UDP, a port name, icmp; without it: which are open')
  .addHelpText(
    'after',
    '\nExamples:\n  sluice explain -f manifests/ --from shop/deploy/web --to shop/db-0 --port 5432\n' +
      '  kubectl get -A pods,ns,netpol,nodes -o json | sluice explain -f - --from internet --to "shop/*" --port 443',
  )
  .action(async (options) => (await import('./commands/explain.ts')).runExplain(options));

dryRunCommand(
  'test <path...>',
  'run policy tests: files, or folders that hold them',
  'table, json, yaml or junit',
).action(async (paths, options) => (await import('./commands/test-policies.ts')).runTest(paths, options));

dryRunCommand(
  'lint',
  'what is wrong, doubtful or without effect in these policies',
  'table, json, yaml or sarif',
).action(async (options) => (await import('./commands/lint.ts')).runLint(options));

dryRunCommand(
  'replay <flows>',
  'judge recorded flows (a line of JSON each, - for standard input) by these policies',
  'table, json or yaml',
).action(async (flows, options) => (await import('./commands/replay.ts')).runReplay(flows, options));

dryRunCommand('matrix', 'who reaches whom on what, over the whole cluster', FORMS_OF_MATRIX)
  .option('--by <level>', 'what rows and columns are: pod, workload or namespace; cluster counts all pairs', 'workload')
  .option('-n, --namespace <name>', 'only pods of this namespace (repeatable)', append)
  .option('--no-outside', 'without addresses outside the cluster')
  .addHelpText(
    'after',
    '\nExamples:\n  sluice matrix -f manifests/ --by namespace\n  sluice matrix -f manifests/ -o html > matrix.html',
  )
  .action(async (options) => (await import('./commands/matrix.ts')).runMatrix(options));

const service = program
  .command('service')
  .description('what Services lead to, of manifests (-f) or of a running agent');

/** With -f it needs neither root nor a cluster. */
const serviceCommand = (usage: string, description: string): Command =>
  service
    .command(usage)
    .description(description)
    .option('-f, --file <path>', 'manifests: a file, a folder, or - for standard input (repeatable)', append)
    .option('--node <name>', 'with -f: as seen from this node')
    .addOption(instance())
    .addOption(runDir())
    .option('-o, --output <format>', 'table, json or yaml', 'table');

serviceCommand('list', 'every frontend: cluster IP, port, state, affinity, backends').action(async (options) =>
  (await import('./commands/service.ts')).runServiceList(options),
);

serviceCommand('show <name>', 'the backends of a Service ([NAMESPACE/]NAME) with state, node, zone and share').action(
  async (name, options) => (await import('./commands/service.ts')).runServiceShow(name, options),
);

serviceCommand('trace', 'which backend a client gets, and why')
  .requiredOption('--from <client>', '[NAMESPACE/]POD or an address')
  .requiredOption('--to <service>', '[NAMESPACE/]NAME:PORT; PORT is a number or a name, /UDP or /SCTP may follow')
  .option('--source-port <port>', "the client's port, which decides where affinity does not")
  .action(async (options) => (await import('./commands/service.ts')).runServiceTrace(options));

program
  .command('diff <before> <after>')
  .description('which flows a change of policies allows or denies')
  .option('-w, --with <path>', 'manifests that both sides have besides: pods, namespaces (repeatable)', append)
  .option('--kubeconfig <file>', 'for cluster: default $KUBECONFIG, ~/.kube/config, the pod’s service account')
  .option('--pod-cidr <cidr>', 'where pods without an address get one from (one a family)', append)
  .option('-o, --output <format>', 'table, json or markdown', 'table')
  .addHelpText(
    'after',
    '\nEach side, and what --with names, is a file, a folder, git:REVISION:PATH, cluster or cluster:CONTEXT.' +
      '\nEnds with 0 when no flow changes and with 1 when one does.\n' +
      '\nExamples:\n  sluice diff policies/ policies.new/ --with pods.yaml\n  sluice diff git:main:deploy deploy -o markdown' +
      '\n  sluice diff cluster policies/ --with cluster    what would change if the policies were applied',
  )
  .action(async (before, after, options) => (await import('./commands/diff.ts')).runDiff(before, after, options));

try {
  await program.parseAsync();
} catch (error) {
  // commander has said what it has to say; it has one number for every wrong usage, and that is 1.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  else {
    console.error(`sluice: ${errorMessage(error)}`);
    process.exitCode = error instanceof ConfigError ? EXIT_USAGE : EXIT_FAILURE;
  }
}
