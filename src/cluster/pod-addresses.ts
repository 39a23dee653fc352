/**
 * Which pod an address is of: open addressing over the pods themselves, so that 200,000 addresses take 8 bytes and their
 * share of free places each, and not a text, a key and an entry. A pod has a place for every address; several may have
 * one address while events are on their way.
 */
import { packAddress, type PackedPod } from './packed-pod.ts';

/** Places that are no pod's: never taken, and given up (a search goes on behind it). */
type Place = PackedPod | 'free' | 'left';

const PLACES_MIN = 64;
/** Taken and left ones, of all. */
const LOAD_MAX = 2 / 3;

export class PodAddresses {
  #places: Place[] = freePlaces(PLACES_MIN);
  #taken = 0;
  #left = 0;

  add(pod: PackedPod): void {
    for (const address of pod.liveAddresses()) {
      if (this.#taken + this.#left >= this.#places.length * LOAD_MAX) this.#renew();
      this.#put(address, pod);
      this.#taken += 1;
    }
  }

  delete(pod: PackedPod): void {
    for (const address of pod.liveAddresses()) {
      const mask = this.#places.length - 1;
      for (let at = hash(address) & mask; this.#places[at] !== 'free'; at = (at + 1) & mask) {
        if (this.#places[at] !== pod) continue;
        this.#places[at] = 'left';
        this.#taken -= 1;
        this.#left += 1;
        break;
      }
    }
  }

  /** A pod that is reached at the address (canonical text); one of them when there are several. */
  find(address: string): PackedPod | undefined {
    const packed = packAddress(address);
    const mask = this.#places.length - 1;
    for (let at = hash(packed) & mask; ; at = (at + 1) & mask) {
      const place = this.#places[at]!;
      if (place === 'free') return undefined;
      if (place !== 'left' && place.liveAddresses().includes(packed)) return place;
    }
  }

  #put(address: string, pod: PackedPod): void {
    const mask = this.#places.length - 1;
    let at = hash(address) & mask;
    while (typeof this.#places[at] === 'object') at = (at + 1) & mask;
    if (this.#places[at] === 'left') this.#left -= 1;
    this.#places[at] = pod;
  }

  /** Twice the room that the taken places need, without those that were left. */
  #renew(): void {
    const pods = new Set(this.#places.filter((place) => typeof place === 'object'));
    let length = PLACES_MIN;
    while (length * LOAD_MAX < this.#taken * 1.5) length *= 2;
    this.#places = freePlaces(length);
    this.#left = 0;
    for (const pod of pods) for (const address of pod.liveAddresses()) this.#put(address, pod);
  }
}

function freePlaces(length: number): Place[] {
  return Array.from({ length }, (): Place => 'free');
}

/** FNV-1a, its upper bits folded in. */
function hash(packed: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < packed.length; i++) sum = Math.imul(sum ^ packed.charCodeAt(i), 0x01000193);
  return (sum ^ (sum >>> 15)) >>> 0;
}
