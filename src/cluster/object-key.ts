/** The key of a namespaced object in changes and in the snapshot. */
export function objectKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
