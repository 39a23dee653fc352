/**
 * Programs attached as direct-action filters of a clsact qdisc, for kernels without tcx. A filter is ours by priority
 * and handle, and goes with its interface. The qdisc is left: others may use it.
 */
import {
  addClsact,
  type BpfFilterRef,
  deleteBpfFilter,
  deleteClsact,
  listBpfFilters,
  replaceBpfFilter,
} from '../../kernel/netlink/filter.ts';
import type { Netlink } from '../../kernel/netlink/netlink.ts';
import { tolerating } from '../../kernel/netlink/request.ts';
import type { EndpointWiring } from '../datapath.ts';
import type { Hooks, Programs } from './hooks.ts';

/** Runs before filters with larger priorities; what passes is handed on to them. */
export const FILTER_PRIORITY = 20;
export const FILTER_HANDLE = 0x51;
const DIRECTIONS = ['ingress', 'egress'] as const;
const NAMES = { ingress: 'sluice_from_pod', egress: 'sluice_to_pod' } as const;

export class ClsactHooks implements Hooks {
  readonly mode = 'clsact';
  readonly #netlink: Netlink;
  readonly #programs: Programs;

  constructor(netlink: Netlink, programs: Programs) {
    this.#netlink = netlink;
    this.#programs = programs;
  }

  attach({ ifindex }: EndpointWiring): void {
    const filter = (direction: 'ingress' | 'egress', programFd: number): Parameters<typeof replaceBpfFilter>[0] => ({
      ...refOf(ifindex, direction),
      programFd,
      name: NAMES[direction],
    });
    this.#netlink.run(tolerating(addClsact(ifindex), 'EEXIST'));
    this.#netlink.execute([
      replaceBpfFilter(filter('ingress', this.#programs.fromPod)),
      replaceBpfFilter(filter('egress', this.#programs.toPod)),
    ]);
  }

  has({ ifindex }: EndpointWiring): boolean {
    return DIRECTIONS.every((direction) =>
      this.#netlink
        .dump(listBpfFilters(ifindex, direction))
        .some(({ priority, handle }) => priority === FILTER_PRIORITY && handle === FILTER_HANDLE),
    );
  }

  detach(_endpointId: number, wiring: EndpointWiring | undefined): void {
    if (wiring === undefined) return;
    this.#netlink.execute(
      DIRECTIONS.map((direction) =>
        tolerating(deleteBpfFilter(refOf(wiring.ifindex, direction)), 'ENOENT', 'EINVAL', 'ENODEV'),
      ),
    );
  }

  /** The qdisc too, when nobody has a filter in it: it keeps others from making an `ingress` one. */
  removeBare(ifindex: number): void {
    const isBare = DIRECTIONS.every((direction) => this.#netlink.dump(listBpfFilters(ifindex, direction)).length === 0);
    if (isBare) this.#netlink.run(tolerating(deleteClsact(ifindex), 'ENOENT', 'EINVAL', 'ENODEV'));
  }

  /** Filters go with their interface. */
  collect(): void {}
}

function refOf(index: number, direction: 'ingress' | 'egress'): BpfFilterRef {
  return { index, direction, priority: FILTER_PRIORITY, handle: FILTER_HANDLE };
}
