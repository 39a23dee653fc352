/** The page of a matrix in a real browser: hostile names stay text, the filter and the keyboard work, nothing is asked for. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { matrixHtml } from '../../src/commands/render/matrix-html.ts';
import { matrixSvg } from '../../src/commands/render/matrix-svg.ts';
import type { CellView, MatrixView } from '../../src/commands/render/matrix-view.ts';

const execute = promisify(execFile);
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const HOSTILE = `x/"><img src=x onerror="document.title='hacked'"><script>document.title='hacked'</script>`;
const SOME: CellView = {
  tone: 'ports',
  always: 'TCP 80',
  partly: '',
  text: 'TCP 80',
  alwaysPorts: [],
  partlyPorts: [],
};
const NONE: CellView = { ...SOME, tone: 'none', always: 'nothing', text: 'nothing' };
const NAMES = ['shop/web', 'shop/db', HOSTILE];
const VIEW: MatrixView = {
  by: 'pod',
  ends: NAMES.map((name) => ({ name, kind: 'pods', pods: 1, namespace: name.split('/')[0]! })),
  cells: NAMES.map((_, row) => NAMES.map((__, column) => (row === column ? null : row === 0 ? SOME : NONE))),
  notes: [HOSTILE],
};

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-matrix-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The page's elements after a driver script ran in a frame around it. */
async function domOf(file: string): Promise<string> {
  const profile = mkdtempSync(join(folder, 'profile-'));
  try {
    const { stdout } = await execute(
      'chromium',
      [...FLAGS, `--user-data-dir=${profile}`, '--virtual-time-budget=2000', '--dump-dom', pathToFileURL(file).href],
      { timeout: 50_000, maxBuffer: 16_777_216 },
    );
    return stdout;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new Error('this test needs a browser: apt-get install chromium', { cause: error });
    }
    throw error;
  }
}

/** The page with a policy that also lets this script run: what it finds is put into an attribute. */
async function ask(script: string): Promise<unknown> {
  const file = join(folder, 'driven.html');
  const html = matrixHtml(VIEW).replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '');
  const driver = `<script>document.documentElement.dataset.answer = JSON.stringify((() => { ${script} })());</script>`;
  writeFileSync(file, html.replace('</body>', `${driver}</body>`));
  const found = /data-answer="([^"]*)"/.exec(await domOf(file));
  return JSON.parse(
    (found?.[1] ?? '""')
      .replaceAll('&quot;', '"')
      .replaceAll('&amp;', '&')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>'),
  );
}

test('the page runs under its own policy, and hostile names stay text', async () => {
  const file = join(folder, 'page.html');
  writeFileSync(file, matrixHtml(VIEW));
  const dom = await domOf(file);
  expect(dom).toContain('data-ready="yes"');
  expect(dom).toContain('<title>Who reaches whom, by pod</title>');
  expect(dom).not.toContain('<img');
  expect(dom.match(/<script/g)).toHaveLength(1);
});

test('the page and the drawing name nothing that would be fetched', () => {
  for (const text of [matrixHtml(VIEW), matrixSvg(VIEW)]) {
    expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|\bsrc="|href=|url\(|@import/);
  }
  expect(matrixHtml(VIEW)).toContain("default-src 'none'");
});

test('the filter hides what has no part in the flows of the ends it names', async () => {
  const answer = await ask(`
    filter.value = 'shop/db';
    filter.dispatchEvent(new Event('input'));
    return { flows: [...graph.querySelectorAll('.flow')].filter((flow) => !flow.hasAttribute('hidden')).length, count: document.getElementById('count').textContent };
  `);
  expect(answer).toMatchObject({ flows: 1, count: '3 of 3 sources shown' });
});

test('arrow keys walk the table and tell the cell', async () => {
  const answer = await ask(`
    const cell = table.querySelector('tbody td');
    cell.focus();
    cell.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
    return [document.activeElement.textContent, detail.textContent];
  `);
  expect(answer).toEqual(['TCP 80', 'shop/web → shop/db: TCP 80']);
});

test('it can be drawn', async () => {
  const file = join(folder, 'drawn.html');
  writeFileSync(file, matrixHtml(VIEW));
  const image = join(folder, 'page.png');
  const profile = mkdtempSync(join(folder, 'profile-'));
  await execute(
    'chromium',
    [
      ...FLAGS,
      `--user-data-dir=${profile}`,
      '--window-size=1200,1000',
      `--screenshot=${image}`,
      pathToFileURL(file).href,
    ],
    { timeout: 50_000 },
  );
  expect(readFileSync(image).subarray(1, 4).toString()).toBe('PNG');
});
