import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { contentHash } from './images.ts';

describe('the hash of a build context', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'context-'));
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'sub/a.js'), 'one');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('does not change with times', () => {
    const before = contentHash(folder);
    utimesSync(join(folder, 'sub/a.js'), 1, 1);
    expect(contentHash(folder)).toBe(before);
  });

  it.each([
    ['content', (path: string) => writeFileSync(join(path, 'sub/a.js'), 'two')],
    ['modes', (path: string) => chmodSync(join(path, 'sub/a.js'), 0o755)],
    ['names', (path: string) => writeFileSync(join(path, 'b.js'), '')],
  ])('changes with %s', (_, change) => {
    const before = contentHash(folder);
    change(folder);
    expect(contentHash(folder)).not.toBe(before);
  });
});
