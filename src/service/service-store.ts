/** The Services and slices as they are now, joined by name (SVC-2), and which Services a change touches. */
import type { EndpointSlice, Service, ServiceChange } from './model.ts';

export class ServiceStore {
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, EndpointSlice>();
  /** Keys of slices by `namespace/name` of the Service that they name. */
  readonly #slicesOf = new Map<string, Set<string>>();

  /** The Services, by `namespace/name`, whose frontends may be others now. */
  apply(change: ServiceChange): readonly string[] {
    if (change.kind === 'Service') {
      const key = change.op === 'set' ? `${change.object.namespace}/${change.object.name}` : change.key;
      if (change.op === 'set') this.#services.set(key, change.object);
      else this.#services.delete(key);
      return [key];
    }
    const key = change.op === 'set' ? `${change.object.namespace}/${change.object.name}` : change.key;
    const before = this.#replaceSlice(key, change.op === 'set' ? change.object : undefined);
    const concerned = change.op === 'set' ? [before, change.object] : [before];
    return [...new Set(concerned.map((slice) => slice && serviceOf(slice)).filter((name) => name !== undefined))];
  }

  service(key: string): Service | undefined {
    return this.#services.get(key);
  }

  /** By `namespace/name`. */
  serviceKeys(): Iterable<string> {
    return this.#services.keys();
  }

  /** In order of name. */
  slices(service: string): readonly EndpointSlice[] {
    const keys = [...(this.#slicesOf.get(service) ?? [])].sort();
    return keys.map((key) => this.#slices.get(key)).filter((slice) => slice !== undefined);
  }

  /** Returns the one that was there. */
  #replaceSlice(key: string, slice: EndpointSlice | undefined): EndpointSlice | undefined {
    const before = this.#slices.get(key);
    if (before !== undefined) this.#unlink(key, before);
    if (slice === undefined) this.#slices.delete(key);
    else {
      this.#slices.set(key, slice);
      const service = serviceOf(slice);
      const siblings = service === undefined ? undefined : (this.#slicesOf.get(service) ?? new Set());
      if (service !== undefined && siblings !== undefined) this.#slicesOf.set(service, siblings.add(key));
    }
    return before;
  }

  #unlink(key: string, slice: EndpointSlice): void {
    const service = serviceOf(slice);
    const siblings = service === undefined ? undefined : this.#slicesOf.get(service);
    if (service === undefined || siblings === undefined) return;
    siblings.delete(key);
    if (siblings.size === 0) this.#slicesOf.delete(service);
  }
}

function serviceOf({ namespace, serviceName }: EndpointSlice): string | undefined {
  return serviceName === '' ? undefined : `${namespace}/${serviceName}`;
}
