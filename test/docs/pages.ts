import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export const CHECKOUT = resolve(import.meta.dirname, '../..');

/** A fenced block of a page. */
export interface Block {
  page: string;
  /** Of its first line of content, from 1. */
  line: number;
  /** `sh`, `yaml`; empty where none is said. */
  language: string;
  text: string;
}

/** All pages that people read, relative to the checkout. */
export function pages(): string[] {
  const patterns = ['*.md', 'docs/**/*.md', 'examples/shop/*.md', 'charts/*/*.md', 'test/**/README.md'];
  return globSync(patterns, { cwd: CHECKOUT, exclude: (name) => name.endsWith('node_modules') }).sort();
}

export function textOf(page: string): string {
  return readFileSync(join(CHECKOUT, page), 'utf8');
}

/** The fenced blocks of a page, without the indentation of the list that they may be in. */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let open: { block: Block; indent: string; lines: string[] } | undefined;
  textOf(page)
    .split('\n')
    .forEach((line, at) => {
      const fence = /^(\s*)```(\w*)/.exec(line);
      if (open === undefined && fence)
        open = { block: { page, line: at + 2, language: fence[2]!, text: '' }, indent: fence[1]!, lines: [] };
      else if (open !== undefined && fence) {
        blocks.push({ ...open.block, text: open.lines.join('\n') });
        open = undefined;
      } else if (open !== undefined) open.lines.push(line.slice(line.startsWith(open.indent) ? open.indent.length : 0));
    });
  return blocks;
}

/** All blocks of commands. */
export function shellBlocks(): Block[] {
  return pages()
    .flatMap(blocksOf)
    .filter(({ language }) => language === 'sh');
}

/** A page without its fenced blocks and inline code: what is in them is no link and no heading. */
export function prose(page: string): string {
  return textOf(page)
    .replaceAll(/^(\s*)```[\s\S]*?^\s*```/gm, '')
    .replaceAll(/(`+)[^`\n]+\1/g, (code) => code.replaceAll(/[[\]()#]/g, '·'));
}

/** Where a link of a page leads within the checkout, and to which of its headings. Undefined for another site's. */
export function target(page: string, link: string): { path: string; anchor: string } | undefined {
  if (/^[a-z]+:/.test(link)) return undefined;
  const [path = '', anchor = ''] = link.split('#');
  return { path: path === '' ? page : join(dirname(page), decodeURI(path)), anchor };
}

/**
 * The anchors of a page's headings, as GitHub makes them: lower case, without punctuation, spaces as hyphens, and a number
 * where there is one already.
 */
export function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of textOf(page)
    .replaceAll(/^(\s*)```[\s\S]*?^\s*```/gm, '')
    .matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const slug = heading!
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n += 1) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}
