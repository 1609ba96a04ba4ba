import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { buildPage } from '../../operator/page/build.ts';
import { pageAssets } from '../../operator/page/parts.ts';
import type { Asset } from '../../operator/page/server.ts';
import { until } from '../cluster/progress.ts';
import { startChromium } from './chromium.ts';
import type { ClusterScene } from './cluster-scene.ts';
import { HOSTILE, largeScene, shopScene } from './cluster-scene.ts';
import { PageServer, TOKEN } from './page-server.ts';

const DOCS = resolve(import.meta.dirname, '../../docs/guides');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const PAYMENT = '?workload=shop/Deployment/payment';

interface Look {
  token?: string;
  colorScheme?: 'light' | 'dark';
}

/** The coverage page in a real browser. */
describe('the coverage page in Chromium', () => {
  const directory = mkdtempSync(join(tmpdir(), 'coverage-page-'));
  let assets: Map<string, Asset>;
  let browser: Browser;
  const contexts: BrowserContext[] = [];
  const servers: PageServer[] = [];
  const complaints: string[] = [];

  async function serve(scene: ClusterScene): Promise<{ server: PageServer; origin: string }> {
    const server = new PageServer(scene, assets);
    servers.push(server);
    return { server, origin: await server.start() };
  }

  async function open(address: string, { token = TOKEN, colorScheme = 'light' }: Look = {}): Promise<Page> {
    const context = await browser.newContext({
      colorScheme,
      viewport: { width: 1280, height: 640 },
      reducedMotion: 'reduce',
    });
    contexts.push(context);
    if (token) await context.addInitScript(`sessionStorage['tracing-token'] ??= '${token}'`);
    const page = await context.newPage();
    // A refused script, style or request is written there.
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(address);
    return page;
  }

  /** Names of the workloads that are shown, in their order. */
  const shown = (page: Page) => page.locator('.group:not([hidden]) > .row:not([hidden]) a').allTextContents();
  const becomes = async (page: Page, expected: string[]) => {
    const rows = "document.querySelectorAll('.group:not([hidden]) > .row:not([hidden])').length";
    await until(`the page does not show ${expected.length} rows`, 30_000, async () => {
      return (await page.evaluate<number>(rows)) === expected.length;
    });
    expect(await shown(page)).toEqual(expected);
  };
  const focused = (page: Page) => page.evaluate('document.activeElement.textContent || document.activeElement.id');

  beforeAll(async () => {
    await buildPage(directory);
    assets = pageAssets(directory);
    browser = await startChromium();
  }, 300_000);
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    complaints.length = 0;
  });
  afterAll(async () => {
    await browser.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('shows what is traced, trouble first, and other people’s texts as nothing but text', async () => {
    const page = await open((await serve(shopScene(HOSTILE))).origin + PAYMENT);
    await becomes(page, ['mailer', 'payment', 'inventory', 'order', 'ledger', 'rates', 'picker']);
    const row = (name: string) => page.locator('.row', { has: page.getByRole('link', { name, exact: true }) });
    expect(await row('order').locator('> *').allTextContents()).toEqual([
      ...['order', 'Traced', '3', '3', '3', 'default', '10 % +1'],
    ]);
    expect(await row('picker').innerText()).toContain('SwitchedOff');
    expect(await row('mailer').innerText()).toContain('Missing');
    expect(await page.locator('.namespace', { hasText: 'shop' }).innerText()).toMatch(
      /7 of 8 pods traced.*2 in trouble.*Istio: Configured/,
    );
    expect(await page.locator('#totals').innerText()).toMatch(/pods\s+15\s/);
    expect(await page.locator('#user').innerText()).toBe('ada, all namespaces');

    const details = page.locator('#details');
    await details.getByText('What the agents report').waitFor();
    const text = await details.innerText();
    expect(text).toContain(HOSTILE);
    expect(text).toContain('kubectl tracing explain deployment/payment -n shop');
    expect(text).toMatch(/ExportFailing TracingPolicy default \(3 times\)/);
    expect(text).toMatch(/2 processes in 2 pods, agent 0\.1\.0, Node\.js 24\.21\.0/);
    expect(await page.title()).toBe('Tracing coverage');
    expect(await page.locator('img, #details script').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('filters, and has the filter and the workload in its address', async () => {
    const { origin } = await serve(shopScene());
    const page = await open(origin);
    await becomes(page, ['mailer', 'payment', 'inventory', 'order', 'ledger', 'rates', 'picker']);
    await page.getByLabel('In trouble').check();
    await becomes(page, ['mailer', 'payment']);
    await page.getByLabel('Name or message').fill('refused');
    await becomes(page, ['payment']);
    expect(await page.locator('#count').innerText()).toBe('1 workload in 1 namespace shown');
    await page.getByRole('link', { name: 'payment' }).click();
    await page.locator('#details').waitFor();
    const address = new URL(page.url());
    expect(address.search).toBe('?text=refused&trouble=true&workload=shop/Deployment/payment');

    const other = await open(address.href);
    await becomes(other, ['payment']);
    await other.getByRole('heading', { name: 'Deployment payment' }).waitFor();
    await page.goBack();
    await page.locator('#details').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'All' }).click();
    await page.getByLabel('Namespace').selectOption('bank');
    await becomes(page, ['ledger', 'rates']);
    await page.getByLabel('Namespace').selectOption('');
    await page.getByLabel('State').selectOption('SwitchedOff');
    await becomes(page, ['picker']);
    expect(new URL(page.url()).search).toBe('?state=SwitchedOff');
  });

  it('keeps what somebody chooses while news comes in', async () => {
    const scene = shopScene();
    const { server, origin } = await serve(scene);
    const page = await open(origin);
    let ratio = 0;
    const news = setInterval(() => {
      scene.policy('bank', { sampling: { ratio: (ratio = (ratio + 0.01) % 1) } });
      server.changed('bank');
    }, 10);
    try {
      await page.getByLabel('Namespace').selectOption('bank');
      await becomes(page, ['ledger', 'rates']);
      await page.getByLabel('Name or message').fill('rat');
      await becomes(page, ['rates']);
      await page.getByRole('button', { name: 'All' }).click();
      await page.getByLabel('State').selectOption('SwitchedOff');
      await becomes(page, ['picker']);
    } finally {
      clearInterval(news);
    }
  });

  it('is worked by keyboard alone', async () => {
    const page = await open((await serve(shopScene())).origin);
    await becomes(page, ['mailer', 'payment', 'inventory', 'order', 'ledger', 'rates', 'picker']);
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to the workloads');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('mailer');
    for (const [key, name] of [
      ['ArrowDown', 'payment'],
      ['End', 'picker'],
      ['ArrowUp', 'rates'],
      ['Home', 'mailer'],
    ] as const) {
      await page.keyboard.press(key);
      expect(await focused(page)).toBe(name);
    }
    // One of them is in the order of Tab.
    expect(await page.locator('#workloads a[tabindex="0"]').count()).toBe(1);
    await page.keyboard.press('Enter');
    expect(await focused(page)).toBe('Deployment mailer');
    await page.keyboard.press('Escape');
    expect(await focused(page)).toBe('mailer');
    expect(await page.locator('#details').isVisible()).toBe(false);
  });

  it('follows what happens without losing its place, and comes back when the operator does', async () => {
    const scene = shopScene();
    const { server, origin } = await serve(scene);
    const page = await open(origin);
    await page.locator('.row', { hasText: 'ledger' }).getByRole('link').focus();
    scene.policy('bank', { sampling: { ratio: 0.25 } });
    server.changed('bank');
    await page.locator('.row', { hasText: 'ledger' }).getByText('25 %').waitFor();
    expect(await focused(page)).toBe('ledger');

    await server.stop();
    await page.getByText(/^Not live: /).waitFor();
    expect(await shown(page)).toContain('picker');
    scene.workloads('warehouse', [{ name: 'packer', pods: 1 }]);
    await serveAgain(scene, origin);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'packer' }).waitFor();
    expect(await shown(page)).not.toContain('picker');
  });

  it('asks who somebody is whom the cluster does not know', async () => {
    const page = await open((await serve(shopScene())).origin, { token: 'made-up' });
    await page.getByText('the API server does not know this token').waitFor();
    await page.getByLabel('Token').fill(TOKEN);
    await page.keyboard.press('Enter');
    await page.getByText('ada, all namespaces').waitFor();
    await page.reload();
    await page.getByText('ada, all namespaces').waitFor();
  });

  it.each(['light', 'dark'] as const)('has nothing that WCAG 2.2 AA does not allow, in %s', async (colorScheme) => {
    const page = await open((await serve(shopScene())).origin + PAYMENT, { colorScheme });
    await page.getByText('What the agents report').waitFor();
    const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
    expect(background).toBe(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 23, 26)');
    await page.evaluate(AXE);
    const { violations, passes } = await page.evaluate<{
      violations: { id: string; nodes: { html: string }[] }[];
      passes: { id: string }[];
    }>(`axe.run({ runOnly: ${JSON.stringify(RULES)} })`);
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    expect(passes.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['color-contrast', 'label', 'aria-required-children']),
    );
    // `make pictures`
    if (process.env['PICTURES'] === 'write')
      await page.screenshot({ path: join(DOCS, `coverage-page-${colorScheme}.png`) });
  });

  it('has 5,000 workloads without lag: what is off the screen is not laid out', async () => {
    const scene = largeScene(50, 100);
    const { server, origin } = await serve(scene);
    const page = await open('about:blank');
    const session = await page.context().newCDPSession(page);
    // Time of the page's own thread: how long all takes depends on what else the machine does.
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const metric = async (wanted: string) =>
      (await session.send('Performance.getMetrics')).metrics.find(({ name }) => name === wanted)!.value;
    /** Milliseconds that the page works until something is so. */
    const work = async (what: () => Promise<unknown>, isSo: string) => {
      const before = await metric('TaskDuration');
      await what();
      await until('the page is not as it should be', 60_000, () => page.evaluate<boolean>(isSo));
      return Math.round(((await metric('TaskDuration')) - before) * 1000);
    };
    const count = (text: string) => `document.getElementById('count')?.textContent === '${text} shown'`;
    const all = count('5,000 workloads in 50 namespaces');
    const filter = (text: string) => () => page.locator('#text').fill(text);

    const opened = await work(() => page.goto(origin), all);
    expect(await page.evaluate("document.querySelectorAll('.group > .row').length")).toBe(5_000);
    // Each row has more than twenty, were it laid out.
    expect(await metric('LayoutObjects')).toBeLessThan(15_000);
    const narrowed = await work(filter('team-7/service-1'), count('11 workloads in 1 namespace'));
    const widened = await work(filter(''), all);
    scene.policy('team-7', { sampling: { ratio: 0.5 } });
    const isChanged =
      "document.querySelector('[data-place=\"team-7/Deployment/service-1\"]').textContent.includes('50 %')";
    const followed = await work(() => Promise.resolve(server.changed('team-7')), isChanged);
    process.stdout.write(
      `5,000 workloads, in ms of the page's thread: opened ${opened}, narrowed ${narrowed}, widened ${widened}, a namespace changed ${followed}\n`,
    );
    // Many times what an idle machine needs, and little enough that nobody would call it a hang.
    expect(Math.max(narrowed, widened, followed)).toBeLessThan(1_500);
  }, 120_000);

  async function serveAgain(scene: ClusterScene, origin: string): Promise<void> {
    const server = new PageServer(scene, assets);
    servers.push(server);
    await server.start(Number(new URL(origin).port));
  }
});
