import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';

const BROWSER = join(import.meta.dirname, 'browser');

/** Writes the page's files into a folder, as operator/page/parts.ts reads them: for browsers of the last two years or so. */
export async function buildPage(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  await esbuild.build({
    entryPoints: [join(BROWSER, 'main.ts')],
    outfile: join(directory, 'page.js'),
    bundle: true,
    format: 'esm',
    target: 'es2024',
    minify: true,
    logLevel: 'warning',
  });
  for (const file of ['page.html', 'page.css', 'icon.svg']) cpSync(join(BROWSER, file), join(directory, file));
}
