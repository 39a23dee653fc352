/**
 * Items by the selector that selects them, asked by labels. An item with a required label is only looked at for objects
 * that have it, so the cost of a question is the number of items that could match, not the number of items.
 */
import type { Labels } from './model.ts';
import type { Selector } from './selector.ts';

export interface Selecting {
  readonly selector: Selector;
}

export class SelectorIndex<T extends Selecting> {
  readonly #byLabel = new Map<string, Set<T>>();
  readonly #rest = new Set<T>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(item: T): void {
    this.#size += 1;
    const { required } = item.selector;
    if (required === undefined) {
      this.#rest.add(item);
      return;
    }
    for (const value of required.values) {
      const label = labelKey(required.key, value);
      const items = this.#byLabel.get(label);
      if (items === undefined) this.#byLabel.set(label, new Set([item]));
      else items.add(item);
    }
  }

  /** The item must have been added. */
  delete(item: T): void {
    this.#size -= 1;
    const { required } = item.selector;
    if (required === undefined) {
      this.#rest.delete(item);
      return;
    }
    for (const value of required.values) {
      const label = labelKey(required.key, value);
      const items = this.#byLabel.get(label);
      items?.delete(item);
      if (items?.size === 0) this.#byLabel.delete(label);
    }
  }

  /** Calls back once for every item whose selector selects the labels, in no particular order. */
  forEachMatch(labels: Labels, found: (item: T) => void): void {
    for (const item of this.#rest) if (item.selector.matches(labels)) found(item);
    if (this.#byLabel.size === 0) return;
    for (const [key, value] of Object.entries(labels)) {
      const items = this.#byLabel.get(labelKey(key, value));
      if (items === undefined) continue;
      for (const item of items) if (item.selector.matches(labels)) found(item);
    }
  }
}

function labelKey(key: string, value: string): string {
  return `${key}\0${value}`;
}
