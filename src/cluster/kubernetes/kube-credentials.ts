/**
 * The credentials of a kubeconfig or of a service account, by way of @kubernetes/client-node: certificates, tokens and
 * token files, exec plugins, impersonation, proxies. The package is large and loaded only when it is needed.
 */
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { ConfigError, errorMessage } from '../../lib/errors.ts';
import type { Credentials, CredentialSource, TlsIdentity } from './http-transport.ts';

/** default: $KUBECONFIG, ~/.kube/config, the pod's service account: the first of them that is there. */
export type KubeConfigChoice =
  | { readonly kind: 'file'; readonly path: string; /** @default current-context */ readonly context?: string }
  | {
      readonly kind: 'in-cluster';
      /** Put before the fixed paths of token and CA. @default '' */ readonly root?: string;
    }
  | { readonly kind: 'default'; /** @default current-context */ readonly context?: string };

/** @throws ConfigError when there is no usable cluster and user in it. */
export async function loadKubeCredentials(choice: KubeConfigChoice): Promise<CredentialSource> {
  const { KubeConfig: Config } = await import('@kubernetes/client-node');
  const load = (): KubeConfig => loadConfig(new Config(), choice);
  return new KubeCredentials(load(), load);
}

class KubeCredentials implements CredentialSource {
  readonly server: URL;
  readonly #load: () => KubeConfig;
  /** Undefined: to be loaded anew. A new one has no token in memory, so files and plugins are asked again. */
  #config: KubeConfig | undefined;
  /** Many watches that begin together start a plugin once. */
  #reading: Promise<Credentials> | undefined;

  constructor(config: KubeConfig, load: () => KubeConfig) {
    this.#config = config;
    this.#load = load;
    this.server = serverOf(config);
  }

  read(): Promise<Credentials> {
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  renew(): void {
    this.#config = undefined;
    this.#reading = undefined;
  }

  async #readNow(): Promise<Credentials> {
    const config = (this.#config ??= this.#load());
    const options: RequestOptions = { headers: {} };
    await config.applyToHTTPSOptions(options);
    const proxied = config.getCurrentCluster()?.proxyUrl !== undefined && typeof options.agent === 'object';
    return {
      headers: headersOf(options),
      tls: tlsOf(options),
      ...(proxied && typeof options.agent === 'object' && { proxyAgent: options.agent }),
    };
  }
}

function loadConfig(config: KubeConfig, choice: KubeConfigChoice): KubeConfig {
  try {
    if (choice.kind === 'file') config.loadFromFile(choice.path);
    else if (choice.kind === 'in-cluster') config.loadFromCluster(choice.root);
    else config.loadFromDefault();
  } catch (error) {
    throw new ConfigError(`cannot read ${describe(choice)}: ${errorMessage(error)}`, { cause: error });
  }
  if (choice.kind !== 'in-cluster' && choice.context !== undefined) config.setCurrentContext(choice.context);
  const context = config.getContextObject(config.getCurrentContext());
  if (context === null) {
    const known = config.getContexts().map(({ name }) => name);
    throw new ConfigError(
      `${describe(choice)} has no context ${JSON.stringify(config.getCurrentContext())}; it has: ${known.join(', ') || 'none'}`,
    );
  }
  if (config.getCurrentCluster() === null) {
    throw new ConfigError(`${describe(choice)} has no cluster ${JSON.stringify(context.cluster)}`);
  }
  if (config.getCurrentUser() === null) {
    throw new ConfigError(`${describe(choice)} has no user ${JSON.stringify(context.user)}`);
  }
  const server = serverOf(config);
  if (server.protocol === 'http:' && config.getCurrentCluster()?.skipTLSVerify !== true) {
    throw new ConfigError(
      `${describe(choice)}: ${server.href} is not encrypted; use https, or set insecure-skip-tls-verify where that is meant`,
    );
  }
  return config;
}

function serverOf(config: KubeConfig): URL {
  const server = config.getCurrentCluster()?.server ?? '';
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.hostname !== 'undefined') return url;
  // How client-node writes that the environment of a pod is not there.
  const hint = url?.hostname === 'undefined' || server.includes('undefined') ? '; is this a pod of the cluster?' : '';
  throw new ConfigError(`${JSON.stringify(server)} is no address of an API server${hint}`);
}

function describe(choice: KubeConfigChoice): string {
  if (choice.kind === 'file') return `the kubeconfig ${choice.path}`;
  return choice.kind === 'in-cluster' ? 'the service account of this pod' : 'the kubeconfig';
}

/** A token file may end with a newline, which no header may hold. */
function headersOf({ headers, auth }: RequestOptions): Readonly<Record<string, string>> {
  const pairs = Object.entries(headers ?? {}).map(
    ([name, value]) => [name.toLowerCase(), String(value).trim()] as const,
  );
  const basic = typeof auth === 'string' ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
  return { ...Object.fromEntries(pairs), ...basic };
}

function tlsOf({ ca, cert, key, servername, rejectUnauthorized }: RequestOptions): TlsIdentity {
  return {
    ...(isPem(ca) && { ca }),
    ...(isPem(cert) && { cert }),
    ...(isPem(key) && { key }),
    ...(servername !== undefined && { servername }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
  };
}

/** client-node gives one certificate or key, as bytes or text. */
function isPem(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value);
}
