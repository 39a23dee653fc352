/** `--port`: `8080`, `8080/TCP`, `53/udp`, a port's name, `icmp`. */
import { ConfigError } from '../../lib/errors.ts';
import type { FlowProtocol } from '../../policy/dry-run.ts';
import type { FlowCell } from '../../policy/flow-cells.ts';
import type { Flow } from '../../policy/explain.ts';
import type { Protocol } from '../../policy/model.ts';

export type AskedPort =
  | { readonly kind: 'number'; readonly protocol: FlowProtocol; readonly port: number }
  /** To be resolved on each destination (NP-45). */
  | { readonly kind: 'name'; readonly protocol: Protocol; readonly name: string };

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const PORTLESS: Readonly<Record<string, FlowProtocol>> = { icmp: 'ICMP', icmpv6: 'ICMPv6' };
const NAME = /^(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/;

/** @throws ConfigError that says how ports are written. */
export function readPort(text: string): AskedPort {
  const portless = PORTLESS[text.toLowerCase()];
  if (portless !== undefined) return { kind: 'number', protocol: portless, port: 0 };
  const [port = '', word = 'TCP', ...rest] = text.split('/');
  const protocol = PROTOCOLS.find((known) => known === word.toUpperCase());
  if (protocol === undefined || rest.length > 0) throw wrongPort(text);
  if (/^[0-9]{1,5}$/.test(port)) {
    const number = Number(port);
    if (number < 1 || number > 65535) throw wrongPort(text);
    return { kind: 'number', protocol, port: number };
  }
  if (!NAME.test(port)) throw wrongPort(text);
  return { kind: 'name', protocol, name: port };
}

function wrongPort(text: string): ConfigError {
  return new ConfigError(
    `port ${JSON.stringify(text)}: write a number from 1 to 65535, or a port's name, with /TCP, /UDP or /SCTP behind it (8080/TCP, http), or icmp`,
  );
}

/** @throws ConfigError where the destination has no port of that name. */
export function portAt(asked: AskedPort, { pod, label }: FlowCell): Pick<Flow, 'protocol' | 'port'> {
  if (asked.kind === 'number') return { protocol: asked.protocol, port: asked.port };
  const { name, protocol } = asked;
  if (pod === undefined)
    throw new ConfigError(`port ${name}: ${label} is no pod, so it has no port names; give a number`);
  const found = pod.namedPorts.find((port) => port.name === name && port.protocol === protocol);
  if (found !== undefined) return { protocol, port: found.containerPort };
  const known = pod.namedPorts.map((port) => `${port.name} (${port.protocol} ${port.containerPort})`);
  throw new ConfigError(
    `port ${name}: ${label} declares no ${protocol} port of that name${known.length === 0 ? ', nor any other' : `; it has ${known.join(', ')}`}`,
  );
}

export function portText(asked: AskedPort): string {
  if (asked.kind === 'name') return `${asked.protocol} ${asked.name}`;
  return asked.protocol === 'ICMP' || asked.protocol === 'ICMPv6' ? asked.protocol : `${asked.protocol} ${asked.port}`;
}
