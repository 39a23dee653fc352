/** Programs attached by tcx links that are pinned by endpoint: they stay when the agent ends. Needs Linux 6.6. */
import { closeSync } from 'node:fs';
import { loadIdleProgram, programId, type TcxDirection, TcxLink } from '../../kernel/bpf-link.ts';
import { unlinkPin } from '../../kernel/bpffs.ts';
import { isSysError } from '../../lib/errors.ts';
import type { EndpointWiring } from '../datapath.ts';
import type { Hooks, Programs } from './hooks.ts';
import type { LinkSide, Pins } from './pins.ts';

/** ENOLINK: the interface went away, and the link with it. */
const GONE = ['ENOLINK', 'ENODEV'];
const SIDES: readonly {
  readonly side: LinkSide;
  readonly direction: TcxDirection;
  readonly program: keyof Programs;
}[] = [
  { side: 'in', direction: 'ingress', program: 'fromPod' },
  { side: 'out', direction: 'egress', program: 'toPod' },
];

export class TcxHooks implements Hooks {
  readonly mode = 'tcx';
  readonly #pins: Pins;
  readonly #programs: Programs;

  constructor(pins: Pins, programs: Programs) {
    this.#pins = pins;
    this.#programs = programs;
  }

  attach(wiring: EndpointWiring): void {
    const made: string[] = [];
    try {
      for (const { side, direction, program } of SIDES) {
        const path = this.#pins.link(wiring.id, side);
        if (this.#takeOver(path, wiring.ifindex, this.#programs[program])) continue;
        using link = TcxLink.attach(this.#programs[program], wiring.ifindex, direction);
        link.pin(path);
        made.push(path);
      }
    } catch (error) {
      for (const path of made) remove(path);
      throw error;
    }
  }

  /**
   * Makes the links that are missing, with a program that leaves every packet to what comes after it; `attach` gives them
   * the real ones. A link that is not wanted any more when it is made goes again.
   */
  async prepare({ id, ifindex }: EndpointWiring, isWanted: () => boolean): Promise<void> {
    const idle = loadIdleProgram();
    try {
      for (const { side, direction } of SIDES) {
        const path = this.#pins.link(id, side);
        if (!isWanted() || isPinned(path)) continue;
        using link = await TcxLink.attachAside(idle, ifindex, direction);
        if (isWanted()) link.pin(path);
      }
    } finally {
      closeSync(idle);
    }
  }

  has({ id, ifindex }: EndpointWiring): boolean {
    return SIDES.every(({ side }) => {
      using link = openIfPinned(this.#pins.link(id, side));
      return link?.info().ifindex === ifindex;
    });
  }

  detach(endpointId: number): void {
    for (const { side } of SIDES) remove(this.#pins.link(endpointId, side));
  }

  collect(): void {
    for (const { path } of this.#pins.links()) {
      using link = TcxLink.openPinned(path);
      if (link.info().ifindex === 0) unlinkPin(path);
    }
  }

  /** Whether the pinned link is on that interface; it runs the program then. One of another interface is removed. */
  #takeOver(path: string, ifindex: number, program: number): boolean {
    using link = openIfPinned(path);
    if (link === undefined) return false;
    const info = link.info();
    if (info.ifindex !== ifindex) {
      remove(path);
      return false;
    }
    if (info.programId !== programId(program)) link.update(program);
    return true;
  }
}

function openIfPinned(path: string): TcxLink | undefined {
  try {
    return TcxLink.openPinned(path);
  } catch (error) {
    if (isSysError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isPinned(path: string): boolean {
  using link = openIfPinned(path);
  return link !== undefined;
}

function remove(path: string): void {
  using link = openIfPinned(path);
  if (link === undefined) return;
  try {
    link.detach();
  } catch (error) {
    if (!GONE.some((code) => isSysError(error, code))) throw error;
  }
  unlinkPin(path);
}
