/**
 * The network configuration of one plugin (CNI-1, CNI-2). Unknown keys, `capabilities` and `args` are ignored, as the
 * specification asks; keys that ask for something Sluice does differently are refused.
 */
import { z } from 'zod';
import { CniCode, CniError } from './error.ts';
import { QUOTED_BYTES_MAX } from './limits.ts';
import { parseVersion, type CniVersion } from './version.ts';

/** Copied into the result unchanged. */
export interface DnsConfig {
  readonly nameservers?: readonly string[] | undefined;
  readonly domain?: string | undefined;
  readonly search?: readonly string[] | undefined;
  readonly options?: readonly string[] | undefined;
}

const dnsSchema = z.object({
  nameservers: z.array(z.string()).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
});

const nameSchema = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'must be a letter or digit, then letters, digits, _ . and -');

const configSchema = z.object({
  name: nameSchema,
  dns: dnsSchema.nullish(),
  runtimeConfig: z.object({ bandwidth: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});

export interface NetworkConfig {
  readonly cniVersion: CniVersion;
  readonly name: string;
  readonly dns?: DnsConfig;
  /** The runtime limits the pod's bandwidth: a plugin behind this one is to hang something on its interface. */
  readonly isShaped: boolean;
}

const REFUSED: ReadonlyMap<string, string> = new Map([
  ['prevResult', 'sluice-cni makes the interface: it must be the first plugin of the list'],
  ['ipam', 'the agent gives the addresses, from the podCIDRs of the node'],
  ['ipMasq', 'masquerading is a setting of the agent'],
]);

/** Strict UTF-8 JSON, an object. @throws CniError code 6. */
export function decodeConfig(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CniError(CniCode.decodeFailure, 'the network configuration is not JSON', reason, { cause: error });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new CniError(CniCode.decodeFailure, 'the network configuration is not an object');
}

/** The version alone. @throws CniError code 7 when it is no text, 1 when it is missing or not supported. */
export function configVersion(config: Readonly<Record<string, unknown>>): CniVersion {
  const version = config['cniVersion'] ?? undefined;
  if (version === undefined || typeof version === 'string') return parseVersion(version);
  throw new CniError(CniCode.invalidConfig, 'cniVersion must be a string');
}

/** The network's name alone. @throws CniError code 7 */
export function networkName(config: Readonly<Record<string, unknown>>): string {
  const parsed = nameSchema.safeParse(config['name']);
  if (parsed.success) return parsed.data;
  const problem = parsed.error.issues.map(({ message }) => message).join('; ');
  throw new CniError(CniCode.invalidConfig, `the network configuration is not valid: name: ${problem}`);
}

/** The whole, for ADD. @throws CniError code 7 for a wrong value, 2 for a key that cannot be honoured. */
export function parseConfig(config: Readonly<Record<string, unknown>>): NetworkConfig {
  const cniVersion = configVersion(config);
  for (const [key, cure] of REFUSED) {
    const value = config[key];
    if (value === undefined || value === null || isEmptyObject(value)) continue;
    const text = JSON.stringify(value);
    const quoted = text.length > QUOTED_BYTES_MAX ? `${text.slice(0, QUOTED_BYTES_MAX)}...` : text;
    throw new CniError(CniCode.unsupportedField, `"${key}": ${quoted} is not supported`, cure);
  }
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new CniError(CniCode.invalidConfig, `the network configuration is not valid: ${problems.join('; ')}`);
  }
  const { name, dns, runtimeConfig } = parsed.data;
  const isShaped = Object.keys(runtimeConfig?.bandwidth ?? {}).length > 0;
  return { cniVersion, name, isShaped, ...(dns ? { dns } : {}) };
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
