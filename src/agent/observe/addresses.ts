/** Where the agent is seen from outside, as settings write it. */
import { isIP } from 'node:net';

/** What to listen on. */
export interface ListenAddress {
  /** Undefined: every address, of both families where the kernel has both. */
  readonly address: string | undefined;
  readonly port: number;
}

/** Name of the agent's own pod, as the downward API gives it. */
export interface OwnPod {
  readonly namespace: string;
  readonly name: string;
}

const PORT_MAX = 65_535;

/** `:9971`, `10.0.0.1:9971`, `[::1]:9971`. Undefined: none of these. */
export function readListenAddress(text: string): ListenAddress | 'none' | undefined {
  if (text === 'none') return 'none';
  const [, bracketed, plain = '', digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port < 1 || port > PORT_MAX) return undefined;
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? { address: bracketed, port } : undefined;
  if (plain === '') return { address: undefined, port };
  return isIP(plain) === 4 ? { address: plain, port } : undefined;
}

/** `namespace/name`. Undefined: something else. */
export function readOwnPod(text: string): OwnPod | 'none' | undefined {
  if (text === 'none') return 'none';
  const [, namespace, name] = /^([a-z0-9-]{1,63})\/([a-z0-9.-]{1,253})$/.exec(text) ?? [];
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}
