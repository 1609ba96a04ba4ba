import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cached, cachePath, recipeHash } from './cache.ts';

describe('the cache', () => {
  const before = process.env['XDG_CACHE_HOME'];
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cache-'));
    process.env['XDG_CACHE_HOME'] = folder;
  });
  afterEach(() => {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
    rmSync(folder, { recursive: true });
  });

  function thing(make: (dir: string) => Promise<void>, recipe = ['a']) {
    return { name: 'thing-1', recipe, title: 'making a thing', usually: 'no time', make };
  }

  it('makes a thing once for one recipe', async () => {
    let made = 0;
    const make = (dir: string) => {
      writeFileSync(join(dir, 'content'), String(++made));
      return Promise.resolve();
    };
    const [first, second] = await Promise.all([cached(thing(make)), cached(thing(make))]);
    expect(second).toBe(first);
    expect(readFileSync(join(first, 'content'), 'utf8')).toBe('1');
    expect(await cached(thing(make, ['b']))).not.toBe(first);
    expect(made).toBe(2);
  });

  it('keeps nothing of what failed but its log', async () => {
    const make = (dir: string) => {
      writeFileSync(join(dir, 'half'), '');
      return Promise.reject(new Error('broken'));
    };
    await expect(cached(thing(make))).rejects.toThrow('broken');
    expect(readdirSync(join(folder, 'tracing-operator'))).toEqual([]);
  });

  it('drops what a killed process left half made', async () => {
    const wanted = thing(() => Promise.resolve());
    const abandoned = `${cachePath(wanted)}.making-killed`;
    mkdirSync(abandoned, { recursive: true });
    await cached(wanted);
    expect(existsSync(abandoned)).toBe(false);
  });

  it('keeps the four that were used last', async () => {
    const make = () => Promise.resolve();
    const paths: string[] = [];
    for (const recipe of ['a', 'b', 'c', 'd']) {
      const path = await cached(thing(make, [recipe]));
      const minutesAgo = 10 - paths.push(path);
      utimesSync(path, Date.now() / 1000 - minutesAgo * 60, Date.now() / 1000 - minutesAgo * 60);
    }
    await cached(thing(make, ['a']));
    const fifth = await cached(thing(make, ['e']));
    expect([...paths, fifth].map((path) => existsSync(path))).toEqual([true, false, true, true, true]);
  });

  it('tells recipes apart by their parts', () => {
    expect(recipeHash('ab', 'c')).not.toBe(recipeHash('a', 'bc'));
    expect(recipeHash('a')).toMatch(/^[0-9a-f]{12}$/);
  });
});
