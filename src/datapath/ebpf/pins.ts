/**
 * Where an instance's maps and links are pinned. The name of a map's pin carries a hash of its layout and size, so that a
 * program never opens a map of another. The maps that hold the tables carry one hash together, as do those of services: rows
 * without the endpoints that name them are worth nothing, so they are taken over together or not at all.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { MAPS } from '../../kernel/abi.gen.ts';
import { listPins, requireBpffs, unlinkPin } from '../../kernel/bpffs.ts';

export const TABLE_MAPS = ['config', 'endpoints', 'locals', 'addresses', 'prefixes', 'ports', 'rows'] as const;
export const SERVICE_MAPS = ['frontends', 'slots', 'backends', 'service_ranges'] as const;
/** Maps that are taken over together or not at all: the elements of one name those of another. */
const GROUPS: readonly (readonly string[])[] = [TABLE_MAPS, SERVICE_MAPS];

const LINK_PIN = /^link-([0-9]+)-(in|out)$/;
const HASH_DIGITS = 8;
const HASH = /-[0-9a-f]{8}$/;

/** `in`: what the pod sends comes in at the host's end; `out`: what goes out there to the pod. */
export type LinkSide = 'in' | 'out';

/** Elements of maps that differ from what the object says, by name. */
export type MapSizes = Readonly<Record<string, number | undefined>>;

export class Pins {
  readonly directory: string;
  /** Path by map name. */
  readonly maps: ReadonlyMap<string, string>;

  private constructor(directory: string, sizes: MapSizes) {
    this.directory = directory;
    const shapes = new Map(
      Object.values(MAPS).map(({ name, layoutHash, maxEntries }) => [
        name,
        `${name} ${layoutHash} ${sizes[name] ?? maxEntries}`,
      ]),
    );
    const together = (name: string): string | undefined =>
      GROUPS.find((group) => group.includes(name))
        ?.map((member) => shapes.get(member))
        .join('\n');
    this.maps = new Map(
      [...shapes].map(([name, shape]) => [
        name,
        // A dot in a name is refused by the BPF file system.
        join(directory, `${name}-${digest(together(name) ?? shape)}`),
      ]),
    );
  }

  /**
   * Makes the instance's directory.
   * @throws ConfigError when the root is no BPF file system.
   */
  static open(root: string, instance: string, sizes: MapSizes): Pins {
    requireBpffs(root);
    const directory = join(root, instance);
    if (!existsSync(directory)) mkdirSync(directory, { mode: 0o700 });
    return new Pins(directory, sizes);
  }

  link(endpointId: number, side: LinkSide): string {
    return join(this.directory, `link-${endpointId}-${side}`);
  }

  /** Path of every pinned link, with the endpoint it was made for. */
  links(): readonly { readonly path: string; readonly endpointId: number }[] {
    return listPins(this.directory).flatMap((path) => {
      const endpointId = LINK_PIN.exec(basename(path))?.[1];
      return endpointId === undefined ? [] : [{ path, endpointId: Number(endpointId) }];
    });
  }

  /** Pins of maps of that name of other layouts or sizes. */
  othersOf(name: string): readonly string[] {
    return this.#others().filter((path) => basename(path).replace(HASH, '') === name);
  }

  /**
   * Removes pins of maps of other layouts or sizes. Programs that still use them hold them. `config` is the last to go:
   * while it is there, the next start knows that a take-over was not finished.
   */
  removeOthers(): void {
    const last = new Set(this.othersOf('config'));
    for (const path of [...this.#others().filter((other) => !last.has(other)), ...last]) unlinkPin(path);
  }

  #others(): readonly string[] {
    const own = new Set(this.maps.values());
    return listPins(this.directory).filter((path) => !own.has(path) && !LINK_PIN.test(basename(path)));
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, HASH_DIGITS);
}
