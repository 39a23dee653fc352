/** The order of names as people count: `web-2` before `web-10`. The same on every machine. */
const ORDER = new Intl.Collator('en', { numeric: true });

export function compareNames(a: string, b: string): number {
  return ORDER.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}
