/** The page of a matrix in a real browser: hostile names stay text, the filter and the keyboard work, nothing is asked for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { matrixHtml } from '../../src/commands/render/matrix-html.ts';
import { matrixSvg } from '../../src/commands/render/matrix-svg.ts';
import type { CellView, MatrixView } from '../../src/commands/render/matrix-view.ts';
import { sluice } from './cli-runner.ts';

/** Of Debian's package of that name. */
const CHROMIUM = '/usr/bin/chromium';
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
let browser: Browser;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-matrix-'));
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The page as a person opens it, from a file. Whatever it says to the console, or asks the network for, fails the test. */
async function open(html: string, options: BrowserContextOptions = {}): Promise<Page> {
  const file = join(folder, 'page.html');
  writeFileSync(file, html);
  const context = await browser.newContext({ viewport: { width: 1200, height: 1000 }, ...options });
  const page = await context.newPage();
  const noise: string[] = [];
  page.on('console', (message) => noise.push(message.text()));
  page.on('pageerror', (error) => noise.push(error.message));
  page.on('request', (request) => {
    if (!request.isNavigationRequest()) noise.push(request.url());
  });
  onTestFinished(async () => {
    await context.close();
    expect(noise).toEqual([]);
  });
  await page.goto(pathToFileURL(file).href);
  await page.locator('html[data-ready=yes]').waitFor();
  return page;
}

async function openShop(options: BrowserContextOptions = {}): Promise<Page> {
  const { stdout } = await sluice(['matrix', '-f', 'examples/shop', '-o', 'html']);
  return await open(stdout, options);
}

const rowsOf = (page: Page): Locator => page.locator('tbody tr:visible');
const flowsOf = (page: Page): Locator => page.locator('svg.graph .flow:not([hidden])');

test('hostile names stay text', async () => {
  const page = await open(matrixHtml(VIEW));
  expect(await page.title()).toBe('Who reaches whom, by pod');
  expect(await page.locator('img').count()).toBe(0);
  expect(await page.locator('script').count()).toBe(1);
  expect(await page.locator('thead th').nth(3).getAttribute('data-name')).toBe(HOSTILE);
});

test('the page and the drawing name nothing that would be fetched', () => {
  for (const text of [matrixHtml(VIEW), matrixSvg(VIEW)]) {
    expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|\bsrc="|href=|url\(|@import/);
  }
  expect(matrixHtml(VIEW)).toContain("default-src 'none'");
});

describe('the filter', () => {
  test('leaves the ends it names and those they have to do with, in table and graph', async () => {
    const page = await openShop();
    const all = await flowsOf(page).count();
    await page.keyboard.press('/');
    await page.keyboard.type('sts/db');
    expect(await page.locator('#count').textContent()).toBe('4 of 4 sources shown');
    expect(await flowsOf(page).count()).toBeLessThan(all);
    await page.keyboard.press('Escape');
    expect(await flowsOf(page).count()).toBe(all);
    expect(await page.locator('#count').textContent()).toBe('');
  });

  test('takes several words, and says so when nothing is left', async () => {
    const page = await openShop();
    await page.locator('#filter').fill('shop nobody');
    expect(await rowsOf(page).count()).toBe(0);
    expect(await page.locator('#count').textContent()).toBe('0 of 4 sources shown');
    await page.locator('#filter').fill('deploy API');
    expect(await rowsOf(page).count()).toBe(4);
  });

  test('can leave out ends that nothing passes between', async () => {
    const page = await open(matrixHtml(VIEW));
    await page.locator('#only-open').check();
    expect(await rowsOf(page).count()).toBe(1);
    expect(await page.locator('tbody td:visible').allTextContents()).toEqual(['TCP 80', 'TCP 80']);
  });
});

describe('the keyboard', () => {
  test('walks the table from one tab stop, over what the filter hides, and tells the cell', async () => {
    const page = await openShop();
    const detail = page.locator('#detail');
    await page.locator('tbody td').first().focus();
    expect(await detail.textContent()).toBe('shop/deploy/api → shop/deploy/api: nothing');
    await page.keyboard.press('ArrowRight');
    expect(await detail.textContent()).toBe('shop/deploy/api → shop/deploy/web: TCP 8080');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowLeft');
    expect(await detail.textContent()).toBe('shop/deploy/web → shop/deploy/api: TCP 9090');
    await page.keyboard.press('ArrowLeft');
    expect(await detail.textContent()).toBe('shop/deploy/web → shop/deploy/api: TCP 9090');
    expect(await page.locator('td[tabindex="0"]').count()).toBe(1);
  });

  test('chooses an end of the graph, and lets go of it', async () => {
    const page = await openShop();
    const node = page.locator('svg.graph .node[aria-label="shop/sts/db"]');
    await node.focus();
    await page.keyboard.press('Enter');
    await page.locator('#filter').focus();
    expect(await page.locator('svg.graph.chosen').count()).toBe(1);
    const on = await page.locator('svg.graph .flow.on').count();
    expect(on).toBeGreaterThan(0);
    expect(on).toBeLessThan(await flowsOf(page).count());
    await node.focus();
    await page.keyboard.press('Escape');
    expect(await page.locator('svg.graph.chosen').count()).toBe(0);
  });
});

test('pointing at an end of the graph shows its flows alone', async () => {
  const page = await openShop();
  await page.locator('svg.graph .node[aria-label="shop/deploy/web"] circle').hover();
  const opacity = (flow: string): Promise<string> =>
    page.evaluate(`getComputedStyle(document.querySelector('svg.graph .flow${flow}')).opacity`);
  expect(Number(await opacity('.on'))).toBe(1);
  expect(Number(await opacity(':not(.on)'))).toBeLessThan(0.2);
});

describe.each(['light', 'dark'] as const)('in a %s scheme', (colorScheme) => {
  test('text stands out against its background', async () => {
    const page = await openShop({ colorScheme });
    const pairs = await page.evaluate<readonly TextColours[]>(TEXT_COLOURS);
    for (const { color, opacity, background } of pairs)
      expect(contrast(color, background, opacity), `${color} on ${background}`).toBeGreaterThan(4.5);
    expect(brightness(pairs[0]!.background) < 0.5).toBe(colorScheme === 'dark');
  });
});

test('it fits a telephone: the table scrolls, the page does not', async () => {
  const page = await openShop({ viewport: { width: 375, height: 700 } });
  const width = await page.evaluate<number>('document.documentElement.scrollWidth');
  expect(width).toBeLessThanOrEqual(375);
});

interface TextColours {
  readonly color: string;
  readonly opacity: number;
  readonly background: string;
}

/** Runs in the page. */
const TEXT_COLOURS = `
  const backgroundOf = (at) => {
    const own = at === null ? 'rgb(255, 255, 255)' : getComputedStyle(at).backgroundColor;
    return own === 'rgba(0, 0, 0, 0)' ? backgroundOf(at.parentElement) : own;
  };
  [...document.querySelectorAll('h1, thead th, tbody td, small, #detail, .key li')].map((element) => {
    const { color, opacity } = getComputedStyle(element);
    return { color, opacity: Number(opacity), background: backgroundOf(element) };
  });
`;

/** Red, green and blue of `rgb(...)`, 0-1. */
function channels(text: string): readonly number[] {
  return (text.match(/[\d.]+/g) ?? []).slice(0, 3).map((number) => Number(number) / 255);
}

/** Relative luminance of WCAG 2.2. */
function brightness(text: string): number {
  const [red = 0, green = 0, blue = 0] = channels(text).map(linear);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function linear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function contrast(color: string, background: string, opacity: number): number {
  const behind = channels(background);
  const mixed = channels(color).map((value, i) => value * opacity + behind[i]! * (1 - opacity));
  const both = [brightness(`rgb(${mixed.map((value) => value * 255).join(', ')})`), brightness(background)];
  return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
}
