/**
 * A folder of manifests as the desired state. Nothing vanishes because of a typo, a half-written file or a folder that
 * cannot be seen: only what is seen to be gone is gone.
 *
 * A look at the folder takes stamps; only when they have stayed the same for SETTLE_MS is what changed read and passed
 * on, as one batch. So an editor that truncates, renames or replaces is seen after it has finished, and objects that move
 * between files never disappear in between.
 */
import type { Clock } from '../../lib/clock.ts';
import { ConfigError } from '../../lib/errors.ts';
import type { ClusterListener, ClusterSource, ClusterUpdate, Freshness, ObjectProblem } from '../source.ts';
import { DesiredObjects } from './desired-objects.ts';
import { FolderWatch } from './folder-watch.ts';
import { EVENT_DELAY_MS, RESCAN_INTERVAL_MS, SETTLE_MS, SETTLE_MS_MAX } from './limits.ts';
import type { ManifestContent } from './read-manifest.ts';
import { readManifestFile } from './read-manifest-file.ts';
import { type FolderScan, type ScanEntry, scanFolder, ScanFault } from './scan-folder.ts';

type Entries = ReadonlyMap<string, ScanEntry>;

/** A state of the folder that is not taken yet. */
interface Unsettled {
  readonly entries: Entries;
  /** End of the look that saw it first, monotonic. */
  readonly sinceMs: number;
  /** When the folder was first seen to differ from what is taken. */
  readonly restlessSinceMs: number;
}

export interface ManifestSourceOptions {
  readonly folder: string;
  readonly clock: Clock;
  /** @default RESCAN_INTERVAL_MS */
  readonly rescanIntervalMs?: number;
}

export class ManifestSource implements ClusterSource {
  readonly synced: Promise<void>;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #rescanIntervalMs: number;
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  readonly #watch: FolderWatch = new FolderWatch(() => this.#wake(EVENT_DELAY_MS));
  readonly #desired: DesiredObjects = new DesiredObjects();
  #listener: ClusterListener | undefined;
  /** Undefined before the first time. */
  #taken: Entries | undefined;
  #unsettled: Unsettled | undefined;
  #problems: readonly ObjectProblem[] = [];
  #told: string | undefined;
  #fault: string | undefined;
  #asOfMs = 0;
  #closed = false;
  #look: Promise<void> = Promise.resolve();
  #alarm: { readonly dueMs: number; readonly cancel: () => void } | undefined;

  constructor(options: ManifestSourceOptions) {
    this.#folder = options.folder;
    this.#clock = options.clock;
    this.#rescanIntervalMs = options.rescanIntervalMs ?? RESCAN_INTERVAL_MS;
    this.synced = this.#ready.promise;
    // Whoever waits for it gets the error; that nobody waits must not end the process.
    this.synced.catch(() => undefined);
  }

  start(listener: ClusterListener): void {
    if (this.#listener !== undefined) throw new Error('the source of manifests is started twice');
    this.#listener = listener;
    this.#wake(0);
  }

  freshness(): Freshness {
    return { synced: this.#taken !== undefined, asOfMs: this.#asOfMs, fault: this.#fault };
  }

  /**
   * Resolves once what the folder holds now was taken and told. A folder that never rests is taken after SETTLE_MS_MAX.
   * @throws ConfigError when the folder cannot be seen, or the source is closed.
   */
  async sync(): Promise<void> {
    await this.synced;
    do {
      this.#alarm?.cancel();
      this.#alarm = undefined;
      this.#look = this.#look.then(() => this.#lookNow());
      await this.#look;
      if (this.#closed) throw new ConfigError(`the folder of manifests ${this.#folder} is closed`);
      if (this.#fault !== undefined) throw new ConfigError(this.#fault);
      if (this.#unsettled === undefined) return;
      await new Promise<void>((resolve) => this.#clock.schedule(SETTLE_MS, resolve));
    } while (!this.#closed);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#alarm?.cancel();
    this.#watch.close();
    await this.#look;
    this.#ready.reject(new ConfigError(`the folder of manifests ${this.#folder} was closed before it was read`));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Looks at the folder after that time at the latest. */
  #wake(delayMs: number): void {
    if (this.#closed) return;
    const dueMs = this.#clock.monotonicMs() + delayMs;
    if (this.#alarm !== undefined) {
      if (this.#alarm.dueMs <= dueMs) return;
      this.#alarm.cancel();
    }
    const cancel = this.#clock.schedule(delayMs, () => {
      this.#alarm = undefined;
      this.#look = this.#look.then(() => this.#lookNow());
    });
    this.#alarm = { dueMs, cancel };
  }

  async #lookNow(): Promise<void> {
    if (this.#closed) return;
    const startedMs = this.#clock.monotonicMs();
    let scan: FolderScan;
    try {
      scan = await scanFolder(this.#folder);
    } catch (error) {
      if (!(error instanceof ScanFault)) throw error;
      this.#report(error);
      return;
    }
    if (this.#closed) return;
    this.#fault = undefined;
    const fresh = this.#watch.update(scan.folders);
    const waitMs = this.#settle(scan.entries, startedMs);
    if (waitMs === 0) await this.#take(scan.entries);
    if (this.#closed) return;
    if (waitMs === undefined) this.#asOfMs = this.#clock.wallMs();
    this.#tell({ changes: [], services: [] });
    const soon = fresh || this.#unsettled !== undefined;
    this.#wake(soon ? SETTLE_MS : this.#rescanIntervalMs);
  }

  /**
   * Milliseconds to wait before the entries may be taken; undefined: they are taken already. A file was looked at some
   * time between the start of a look and now, so what is surely unchanged is from the end of one to the start of another.
   */
  #settle(entries: Entries, startedMs: number): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    if (this.#taken === undefined) return 0;
    if (sameEntries(this.#taken, entries)) {
      this.#unsettled = undefined;
      return undefined;
    }
    const before = this.#unsettled;
    const restlessSinceMs = before?.restlessSinceMs ?? nowMs;
    const sinceMs = before !== undefined && sameEntries(before.entries, entries) ? before.sinceMs : nowMs;
    this.#unsettled = { entries, sinceMs, restlessSinceMs };
    if (nowMs - restlessSinceMs >= SETTLE_MS_MAX) return 0;
    return Math.max(0, SETTLE_MS - (startedMs - sinceMs));
  }

  async #take(entries: Entries): Promise<void> {
    const contents = new Map<string, ManifestContent>();
    const taken = new Map(entries);
    for (const [path, entry] of entries) {
      const known = this.#taken?.get(path)?.stamp === entry.stamp ? this.#desired.content(path) : undefined;
      if (known === undefined) {
        const { content, retry } = await readManifestFile(path, entry);
        contents.set(path, content);
        // With a stamp that no file has, it differs at the next look and is read again.
        if (retry) taken.set(path, { ...entry, stamp: 'unread' });
      } else {
        contents.set(path, known);
      }
      if (entry.kind === 'blocked') this.#keepBelow(path, contents);
    }
    if (this.#closed) return;
    const update = this.#desired.take(contents);
    this.#taken = taken;
    this.#unsettled = undefined;
    this.#asOfMs = this.#clock.wallMs();
    this.#problems = update.problems;
    this.#tell(update);
    this.#ready.resolve();
  }

  /** What was known below a folder that cannot be seen. */
  #keepBelow(folder: string, contents: Map<string, ManifestContent>): void {
    for (const file of this.#desired.files()) {
      const content = file.startsWith(`${folder}/`) ? this.#desired.content(file) : undefined;
      if (content !== undefined) contents.set(file, content);
    }
  }

  /** The folder as a whole is out of sight: before the first time that is a wrong setting, later what is known stays. */
  #report(fault: ScanFault): void {
    if (this.#closed) return;
    this.#fault = fault.message;
    this.#tell({ changes: [], services: [] });
    if (this.#taken === undefined) {
      this.#ready.reject(new ConfigError(fault.message, { cause: fault }));
    } else {
      this.#wake(this.#rescanIntervalMs);
    }
  }

  #tell({ changes, services }: Pick<ClusterUpdate, 'changes' | 'services'>): void {
    const faults = [this.#fault, this.#watch.fault].filter((fault) => fault !== undefined);
    const problems = [...faults.map((fault) => this.#folderProblem(fault)), ...this.#problems];
    const text = JSON.stringify(problems);
    if (changes.length === 0 && services.length === 0 && text === this.#told) return;
    this.#told = text;
    this.#listener?.({ changes, services, problems });
  }

  #folderProblem(fault: string): ObjectProblem {
    const outOfSight = fault === this.#fault;
    return {
      severity: outOfSight ? 'error' : 'warning',
      object: undefined,
      file: this.#folder,
      place: undefined,
      path: '',
      message: fault,
      hint: outOfSight
        ? 'what was read before stays in force'
        : `changes there are seen after up to ${this.#rescanIntervalMs / 1000} s`,
    };
  }
}

function sameEntries(a: Entries, b: Entries): boolean {
  if (a.size !== b.size) return false;
  for (const [path, entry] of a) if (b.get(path)?.stamp !== entry.stamp) return false;
  return true;
}
