import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { anchorsOf, CHECKOUT, pages, prose, target } from './pages.ts';

const LINK = /\]\(([^)\s]+)\)|^\[[^\]]+\]: +(\S+)$/gm;

describe('links between pages', () => {
  it.each(pages())('of %s lead somewhere', (page) => {
    const broken = [...prose(page).matchAll(LINK)].flatMap(([, inline, reference]) => {
      const link = inline ?? reference ?? '';
      const to = target(page, link);
      if (to === undefined) return [];
      if (!existsSync(join(CHECKOUT, to.path))) return [`${link}: there is no ${to.path}`];
      const isKnown = to.anchor === '' || !to.path.endsWith('.md') || anchorsOf(to.path).has(to.anchor);
      return isKnown ? [] : [`${link}: ${to.path} has no heading #${to.anchor}`];
    });
    expect(broken).toEqual([]);
  });

  it('find every page of docs from its index', () => {
    const index = new Set(
      [...prose('docs/README.md').matchAll(LINK)].map(([, link]) => target('docs/README.md', link ?? '')?.path),
    );
    const missing = pages().filter(
      (page) => /^docs\/.+\.md$/.test(page) && page !== 'docs/README.md' && !index.has(page),
    );
    expect(missing).toEqual([]);
  });
});
