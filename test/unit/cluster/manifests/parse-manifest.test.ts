import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ALIASES_MAX, JSON_BYTES_PLACED_MAX, LIST_DEPTH_MAX } from '../../../../src/cluster/manifests/limits.ts';
import { parseManifest } from '../../../../src/cluster/manifests/parse-manifest.ts';

const names = (text: string, file = 'f.yaml'): readonly string[] =>
  parseManifest(file, text).objects.map(({ reference: { kind, namespace, name } }) => `${kind} ${namespace}/${name}`);

function problemsOf(text: string, file = 'f.yaml'): readonly string[] {
  return parseManifest(file, text).problems.map(
    ({ severity, place, message }) => `${severity} ${place?.line}:${place?.column} ${message}`,
  );
}

test('every document of a file is an object, and empty documents are none', () => {
  const text =
    '---\n# nothing\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: x}\n---\nkind: Node\napiVersion: v1\n';
  expect(names(text)).toEqual(['Pod x/a', 'Node /']);
  expect(parseManifest('f.yaml', '').complete).toBe(true);
});

const list = (items: string): string => `{apiVersion: v1, kind: List, items: [${items}]}`;

test('a List is its items, also a list inside a list', () => {
  const item = '{apiVersion: v1, kind: Pod, metadata: {name: a}}';
  expect(names(list(`${item}, ${list(item)}`))).toEqual(['Pod /a', 'Pod /a']);
  expect(names('{apiVersion: v1, kind: List, items: null}')).toEqual([]);
});

test('the items of a typed list have the type of the list when they have none', () => {
  const text = 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicyList\nitems:\n  - metadata: {name: p}\n';
  expect(parseManifest('f.yaml', text).objects[0]?.fields).toEqual({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'p' },
  });
});

test('lists nested deeper than LIST_DEPTH_MAX are refused', () => {
  const open = '{"apiVersion":"v1","kind":"List","items":[';
  const text = `${open.repeat(LIST_DEPTH_MAX + 1)}${']}'.repeat(LIST_DEPTH_MAX + 1)}`;
  expect(problemsOf(text, 'f.json')[0]).toContain('LIST_DEPTH_MAX');
});

test('a syntax error is told with line, column, the line and a caret, and the file is incomplete', () => {
  const { problems, objects, complete } = parseManifest('f.yaml', 'apiVersion: v1\nkind: [Pod\nmetadata: {}\n');
  expect([objects, complete]).toEqual([[], false]);
  expect(problems[0]?.place?.excerpt.split('\n')).toHaveLength(2);
  expect(problems[0]?.place?.line).toBeGreaterThanOrEqual(2);
});

test('a key given twice is a syntax error at its place', () => {
  const { problems } = parseManifest('f.yaml', 'kind: Pod\nkind: Node\n');
  expect(problems[0]).toMatchObject({
    place: { line: 2, column: 1, excerpt: 'kind: Node\n^' },
    message: expect.stringContaining('unique'),
  });
  expect(problemsOf('{"kind": "Pod", "kind": "Pod"}', 'f.json')[0]).toContain('unique');
});

test('what is no object, or has no type, makes the file incomplete', () => {
  for (const text of [
    'just words',
    '- a\n- b\n',
    'kind: Pod\n',
    'apiVersion: v1\n',
    '{apiVersion: v1, kind: 3}',
    '{apiVersion: v1, kind: List, items: [1]}',
  ]) {
    expect([parseManifest('f.yaml', text).complete, problemsOf(text).length]).toEqual([false, 1]);
  }
});

/** An anchor with nine times what is given. */
const level = (key: string, of: string): string =>
  `${key}: &${key} [${Array.from({ length: 9 }, () => of).join(', ')}]\n`;

test('aliases that stand for more than ALIASES_MAX nodes are refused', () => {
  const bomb = level('a', '1') + level('b', '*a') + level('c', '*b') + level('d', '*c');
  expect(problemsOf(bomb)).toEqual([`error 1:1 aliases stand for more than ALIASES_MAX, ${ALIASES_MAX}, nodes`]);
});

test('text nested without end is a problem, not a crash', () => {
  const { problems, complete } = parseManifest('f.yaml', '['.repeat(100_000));
  expect([complete, problems[0]?.severity]).toEqual([false, 'error']);
});

test('an anchor and its alias give the same value', () => {
  const text = 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: &l {app: web}\n  annotations: *l\n';
  expect(parseManifest('f.yaml', text).objects[0]?.fields['metadata']).toMatchObject({ annotations: { app: 'web' } });
});

test('values that kubectl reads otherwise are warned of, keys and quoted ones not', () => {
  const text =
    'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  yes: "no"\n  a: yes\n  port: 0080\n  mode: 0644\n';
  expect(problemsOf(text)).toEqual([
    'warning 6:6 yes is the word "yes" here and a boolean to kubectl',
    'warning 8:9 0644 is decimal here and octal to kubectl',
  ]);
});

test('a place is that of the field, or of the deepest part of its path that is there', () => {
  const text =
    'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec:\n    ports:\n      - a: 1\n        b: {c: 2}\n';
  const place = (path: string): string => {
    const found = parseManifest('f.yaml', text).objects[0]?.place(path);
    return `${found?.line}:${found?.column}`;
  };
  expect(
    ['', 'spec.ports[0].a', 'spec.ports[0].b', 'spec.ports[0].b.c', 'spec.ports[1].x', 'spec.none'].map(place),
  ).toEqual(['4:3', '8:12', '9:9', '9:16', '7:5', '6:3']);
});

test('a place of a quoted key is found, dots and brackets in it included', () => {
  const text = 'apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    example.com/a[0]: x\n';
  expect(parseManifest('f.yaml', text).objects[0]?.place('metadata.labels["example.com/a[0]"]')).toMatchObject({
    line: 5,
    column: 23,
  });
});

test('of a long line only the part around the column is shown', () => {
  const text = `{apiVersion: v1, kind: Pod, x: "${'y'.repeat(500)}", spec: {a: 1}}`;
  const [line, caret] = parseManifest('f.yaml', text).objects[0]?.place('spec.a')?.excerpt.split('\n') ?? [];
  expect(line?.length).toBeLessThanOrEqual(120);
  expect(line?.[caret!.length - 1]).toBe('1');
});

test('a large JSON file is read without places, and one that is no JSON is reported', () => {
  const filler = ' '.repeat(JSON_BYTES_PLACED_MAX);
  const { objects } = parseManifest('f.json', `{"apiVersion":"v1","kind":"Pod"}${filler}`);
  expect([objects.length, objects[0]?.place('kind')]).toEqual([1, undefined]);
  expect(parseManifest('f.json', `{${filler}`)).toMatchObject({
    complete: false,
    problems: [{ message: expect.stringContaining('is no JSON') }],
  });
});

test('a byte order mark and carriage returns do no harm', () => {
  expect(names('\uFEFFapiVersion: v1\r\nkind: Pod\r\nmetadata: {name: a}\r\n')).toEqual(['Pod /a']);
});

test('no text makes it throw', () => {
  const bits = fc.constantFrom(
    'a: ',
    '- ',
    '&x ',
    '*x',
    '[',
    '{',
    '}',
    ']',
    '\n',
    '  ',
    '"',
    "'",
    '---\n',
    '!!str ',
    '? ',
    ': ',
    '|',
    '\t',
    '%',
    '<<: ',
    'kind: Pod',
    'items',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(bits, { maxLength: 30 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (any) => {
      const { complete, problems } = parseManifest('f.yaml', any);
      if (!complete) expect(problems.length).toBeGreaterThan(0);
    }),
    { numRuns: 500 },
  );
});
