/** Finds what an administrator set so that pods' packets are not forwarded; told of, not changed. */
import type { ObjectProblem } from '../../cluster/source.ts';
import { readSysctl } from '../../kernel/netlink/sysctl.ts';
import { isSysError } from '../../lib/errors.ts';
import { inNode, type NodeNetwork } from '../wiring/node.ts';
import { nodeProblem } from './problem.ts';
import type { Uplink } from './underlay.ts';

/**
 * Forwarding is on for the node as a whole (`ensureForwarding`); an interface may have it off all the same. IPv6 knows no
 * such exception.
 */
export function checkForwarding(node: NodeNetwork, ownName: string, uplinks: readonly Uplink[]): ObjectProblem[] {
  const interfaces = new Set(uplinks.filter(({ family }) => family === 4).map(({ name }) => name));
  return [...interfaces].flatMap((name) => {
    const setting = `net/ipv4/conf/${name}/forwarding`;
    if (readIfPresent(node, setting) !== '0') return [];
    const message = `${name} does not forward: nothing from other nodes reaches pods over it`;
    return [nodeProblem('error', ownName, '', message, `sysctl -w ${setting}=1`)];
  });
}

/** Undefined when the interface has just gone. */
function readIfPresent(node: NodeNetwork, setting: string): string | undefined {
  try {
    return inNode(node, () => readSysctl(setting));
  } catch (error) {
    if (isSysError(error, 'ENOENT')) return undefined;
    throw error;
  }
}
