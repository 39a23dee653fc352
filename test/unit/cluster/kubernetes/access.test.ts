import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readAccess } from '../../../../src/cluster/kubernetes/access.ts';

test('every type that is followed may be listed and watched, pods be asked for by name, and nothing else', () => {
  expect(readAccess().map(({ apiGroup, resource, verbs }) => `${apiGroup}/${resource} ${verbs.join(' ')}`)).toEqual([
    '/namespaces list watch',
    '/nodes list watch',
    '/pods get list watch',
    'networking.k8s.io/networkpolicies list watch',
    'policy.networking.k8s.io/clusternetworkpolicies list watch',
    '/services list watch',
    'discovery.k8s.io/endpointslices list watch',
  ]);
});

test('docs/kubernetes-source.md lists it', async () => {
  const document = await readFile(new URL('../../../../docs/kubernetes-source.md', import.meta.url), 'utf8');
  const rows = readAccess().map(
    ({ apiGroup, resource, verbs }) =>
      `| \`${apiGroup === '' ? '""' : apiGroup}\` | \`${resource}\` | ${verbs.join(', ')} |`,
  );
  const squeezed = document.replaceAll(/ +/g, ' ');
  for (const row of rows) expect(squeezed).toContain(row);
});
