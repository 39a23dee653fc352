/**
 * The image and the manifests of deploy/, as far as they can be tried without a container engine: each container is run
 * from the image's own file tree, with the mounts and capabilities of its manifest, on a node that is a namespace and a folder.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFailed, test } from 'vitest';
import { parse, stringify } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { isBpffs } from '../../src/kernel/bpffs.ts';
import { ApiServer } from '../support/api-server.ts';
import { makeCertificates } from '../support/api-server-certificates.ts';
import type { RawObject } from '../support/api-server-store.ts';
import { ContainerTree } from '../support/container-tree.ts';
import { type Container, type DaemonSet, daemonSetOf } from '../support/daemon-set.ts';
import { composeImageRoot } from '../support/image-root.ts';
import type { KubernetesObject } from '../support/kubernetes-objects.ts';
import { kustomize } from '../support/kustomize.ts';
import { Ledger } from '../support/ledger.ts';
import type { TestNetns } from '../support/netns.ts';
import { type CommandResult, tryCommand } from '../support/run-command.ts';
import { SERVED_PATHS } from '../support/served-manifests.ts';
import { listenWithTls } from '../support/tls-front.ts';
import { AgentRun } from '../support/agent-run.ts';
import { denyYaml, NAMESPACE_YAML, NODE, NODE_YAML, podYaml } from './agent-bench.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const OBJECTS = kustomize(join(DEPLOY, 'kind'));
const AGENTS = daemonSetOf(OBJECTS);
const UNINSTALL = daemonSetOf(kustomize(join(DEPLOY, 'uninstall')));

const shared = new Ledger();
let root: string;
let ledger: Ledger;
let tree: ContainerTree;
let node: TestNetns;

beforeAll(() => {
  root = shared.makeDirectory('sluice-image');
  composeImageRoot(root);
});

afterAll(() => {
  shared.removeAll();
});

beforeEach(() => {
  ledger = new Ledger();
  try {
    tree = new ContainerTree(ledger, root, NODE);
    node = ledger.makeNetns('node');
    const manifests = { 'cluster.yaml': [NODE_YAML, NAMESPACE_YAML, podYaml('a'), podYaml('b')].join('---') };
    tree.writeConfig('config', { 'config.yaml': stringify({ ...shippedSettings(), source: 'manifests:manifests' }) });
    tree.writeConfig('config/manifests', manifests);
  } catch (error) {
    ledger.removeAll();
    throw error;
  }
});

afterEach(() => {
  ledger.removeAll();
});

function shippedSettings(): object {
  const config = OBJECTS.find(({ kind }) => kind === 'ConfigMap') as KubernetesObject & {
    data: Record<string, string>;
  };
  return parse(config.data['config.yaml'] ?? '') as object;
}

function containerOf(set: DaemonSet, name: string): Container {
  const { initContainers, containers } = set.spec.template.spec;
  const found = [...initContainers, ...containers].find((container) => container.name === name);
  if (found === undefined) throw new Error(`there is no container ${name}`);
  return found;
}

async function run(set: DaemonSet, name: string, command?: readonly string[]): Promise<CommandResult> {
  const [program = '', ...args] = tree.command(set, containerOf(set, name), command && { command });
  return tryCommand(program, args, { netns: node });
}

/** Both init containers, as they follow one another. */
async function prepareNode(): Promise<void> {
  for (const name of ['mount-bpf', 'install-launcher']) {
    expect(await run(AGENTS, name), name).toMatchObject({ exitCode: 0, stderr: '' });
  }
}

/** Returns when it is ready. @param without a capability that it does not get. */
async function startAgent(without?: string): Promise<AgentRun> {
  const command = tree.command(AGENTS, containerOf(AGENTS, 'agent'), without === undefined ? {} : { without });
  const agent = AgentRun.start(ledger, node, command, join(tree.host, 'run/sluice/default/agent.sock'));
  onTestFailed(() => console.error(agent.text()));
  await agent.ready();
  return agent;
}

/** What the container runtime does: runs the installed launcher with the installed configuration. */
async function cni(verb: string, name: string, netns: TestNetns): Promise<CommandResult> {
  const list = JSON.parse(readFileSync(join(tree.host, 'etc/cni/net.d/10-sluice.conflist'), 'utf8')) as {
    readonly plugins: readonly object[];
  };
  const folders = { runDir: join(tree.host, 'run/sluice'), stateDir: join(tree.host, 'var/lib/sluice') };
  const { plugins, ...network } = list;
  return tryCommand(join(tree.host, 'opt/cni/bin/sluice-cni'), [], {
    netns: node,
    env: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: `container-${name}`,
      CNI_NETNS: netns.path,
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/opt/cni/bin',
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=x;K8S_POD_NAME=${name}`,
    },
    input: JSON.stringify({ ...network, ...plugins[0], ...folders }),
  });
}

function addressOf({ stdout }: CommandResult): string {
  const { ips } = JSON.parse(stdout) as { ips: readonly { address: string }[] };
  return ips[0]?.address.split('/')[0] ?? '';
}

describe('the image’s file tree', () => {
  test('starts with what it has: node, libbpf, both flavours of iptables', async () => {
    expect(await run(AGENTS, 'agent', ['sluice', '--version'])).toMatchObject({
      exitCode: 0,
      stdout: `${packageJson.version}\n`,
      stderr: '',
    });
    expect(await run(AGENTS, 'agent', ['sluice', 'agent', '--help'])).toMatchObject({ exitCode: 0, stderr: '' });
    for (const tool of ['iptables-nft', 'iptables-legacy']) {
      expect((await run(AGENTS, 'agent', [tool, '--version'])).stdout).toMatch(/^iptables v/);
    }
  });

  test('holds nothing of the tests, and the compiler as a thread of its own', () => {
    const files = readdirSync(join(import.meta.dirname, '../../dist/image'), { recursive: true, encoding: 'utf8' });
    expect(files).toContain('opt/sluice/compiler-worker.js');
    expect(files.filter((file) => /vitest|\.test\.|fast-check|esbuild|musl/.test(file))).toEqual([]);
  });
});

describe('the init containers', () => {
  test('hand a BPF file system on to the node, once', async () => {
    const path = join(tree.host, 'run/sluice/bpf');
    expect((await run(AGENTS, 'mount-bpf')).stdout).toMatch(/mounted\n$/);
    expect(isBpffs(path)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect((await run(AGENTS, 'mount-bpf')).stdout).toMatch(/is there\n$/);
  });

  test('put a launcher on the node that runs there', async () => {
    expect((await run(AGENTS, 'install-launcher')).stdout).toMatch(/installed\n$/);
    const launcher = join(tree.host, 'opt/cni/bin/sluice-cni');
    const stdout = execFileSync(launcher, { env: { CNI_COMMAND: 'VERSION' }, input: '{}', encoding: 'utf8' });
    expect(JSON.parse(stdout)).toMatchObject({ supportedVersions: expect.arrayContaining(['1.0.0']) as unknown });
  });
});

describe('the agent', () => {
  test('wires pods and enforces with the capabilities and mounts of its manifest', async () => {
    await prepareNode();
    const conflist = join(tree.host, 'etc/cni/net.d/10-sluice.conflist');
    expect(existsSync(conflist)).toBe(false);
    await startAgent();
    // The kubelet takes the node for ready once this is there.
    for (let tries = 0; !existsSync(conflist) && tries < 100; tries++) await delay(20);
    const [a, b] = [ledger.makeNetns('a'), ledger.makeNetns('b')];
    expect(await cni('ADD', 'a', a)).toMatchObject({ exitCode: 0 });
    const toB = ['ping', '-c1', '-W1', '-q', addressOf(await cni('ADD', 'b', b))] as const;
    expect(a.succeeds(...toB)).toBe(true);
    tree.writeConfig('config/manifests', { 'deny.yaml': denyYaml('b') });
    expect(await run(AGENTS, 'agent', ['sluice', 'sync'])).toMatchObject({ exitCode: 0, stderr: '' });
    expect(a.succeeds(...toB)).toBe(false);
    expect(await cni('DEL', 'a', a)).toMatchObject({ exitCode: 0 });
  });

  test('follows the API server as the kubelet shows it to a pod: address, token, authority', async () => {
    await using api = await ApiServer.start(SERVED_PATHS);
    api.token = 'token-of-the-agent';
    const objects = [NODE_YAML, NAMESPACE_YAML, podYaml('a')].map(
      (text) => parse(text) as RawObject & { kind: string },
    );
    for (const object of objects) {
      const path = SERVED_PATHS.find((name) => name.endsWith(`/${object.kind.toLowerCase()}s`));
      api.set(path ?? '', object);
    }
    const { ca, server } = makeCertificates(ledger.makeDirectory('sluice-certificates'));
    using front = listenWithTls(node.fd, server, api.port);
    tree.giveServiceAccount({ ca: ca.cert, token: api.token, port: front.port });
    tree.writeConfig('config', { 'config.yaml': stringify(shippedSettings()) });
    await prepareNode();
    const agent = await startAgent();
    await agent.logged('the container runtime knows this agent');
    expect(await cni('ADD', 'a', ledger.makeNetns('a'))).toMatchObject({ exitCode: 0 });
    const shown = new Set(api.requests.map(({ authorization }) => authorization));
    expect([...shown]).toEqual(['Bearer token-of-the-agent']);
  });

  test('says on its health port how it is', async () => {
    await prepareNode();
    await startAgent();
    const [port] = containerOf(AGENTS, 'agent').ports ?? [];
    const ask = `fetch('http://127.0.0.1:${port?.containerPort}/healthz').then(async (r) => console.log(r.status, await r.text()))`;
    const probe = node.exec(process.execPath, '-e', ask);
    expect(probe).toMatch(/^200 ok/);
  });

  test.each([
    ['NET_ADMIN', 'to configure the network'],
    ['SYS_ADMIN', 'to enter the pods’ namespaces'],
    ['SYS_PTRACE', 'to open what the launcher holds open'],
  ])('needs %s %s', async (capability) => {
    await prepareNode();
    const pod = ledger.makeNetns('a');
    let agent: AgentRun | undefined;
    try {
      agent = await startAgent(capability);
    } catch (error) {
      expect(String(error)).toMatch(/EPERM|EACCES/);
    }
    if (agent === undefined) return;
    await agent.logged('the container runtime knows this agent');
    const { exitCode, stdout } = await cni('ADD', 'a', pod);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/EPERM|EACCES/);
  });

  test('needs NET_RAW where the node uses the older iptables', async () => {
    const list = ['iptables-legacy', '-S'];
    expect(await run(AGENTS, 'agent', list)).toMatchObject({ exitCode: 0 });
    const [program = '', ...args] = tree.command(AGENTS, containerOf(AGENTS, 'agent'), {
      command: list,
      without: 'NET_RAW',
    });
    expect((await tryCommand(program, args, { netns: node })).stderr).toMatch(/Permission denied/);
  });
});

describe('uninstalling', () => {
  test('is refused while an agent runs or pods use its network, and leaves nothing afterwards', async () => {
    await prepareNode();
    const agent = await startAgent();
    await agent.logged('the container runtime knows this agent');
    const pod = ledger.makeNetns('a');
    await cni('ADD', 'a', pod);
    expect((await run(UNINSTALL, 'uninstall')).stderr).toMatch(/agent\.lock is locked by process/);
    expect(await agent.end()).toBe(0);
    const refused = await run(UNINSTALL, 'uninstall');
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/1 pods of this node use its network \(x\/a\)/);

    const forced = [...containerOf(UNINSTALL, 'uninstall').args, '--force'];
    const { exitCode, stdout } = await run(UNINSTALL, 'uninstall', ['sluice', ...forced]);
    expect(stdout).toMatch(/nothing of instance default is left on this node/);
    expect(exitCode).toBe(0);
    for (const gone of ['run/sluice', 'var/lib/sluice', 'opt/cni/bin/sluice-cni', 'etc/cni/net.d/10-sluice.conflist']) {
      expect(existsSync(join(tree.host, gone)), gone).toBe(false);
    }
    expect(node.ip('link', 'show').map(({ ifname }) => ifname)).toEqual(['lo']);
    expect(
      node.exec('ip', '-4', 'route', 'show', 'table', 'main') + node.exec('ip', '-6', 'route', 'show'),
    ).not.toMatch(/proto 8[34]/);
    expect(node.exec('iptables-save') + node.exec('ip6tables-save')).not.toContain('SLUICE');
    expect((await run(UNINSTALL, 'uninstall')).stdout).not.toMatch(/^(removed|NOT GONE)/m);
  });
});
