/** How far an address or a route reaches (`rt_scope_t`). */
export const SCOPES = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;

export type Scope = keyof typeof SCOPES;

const NAMES = new Map<number, Scope>([
  [SCOPES.global, 'global'],
  [SCOPES.site, 'site'],
  [SCOPES.link, 'link'],
  [SCOPES.host, 'host'],
  [SCOPES.nowhere, 'nowhere'],
]);

/** Numbers between the named ones are private scopes of an administrator's; they reach less far than `global`. */
export function scopeName(number: number): Scope {
  return NAMES.get(number) ?? 'site';
}
