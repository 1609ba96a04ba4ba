import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { namesFor } from './names.ts';

describe('the names of a checkout', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'names-'));
    mkdirSync(join(folder, 'one'));
    mkdirSync(join(folder, 'two'));
    symlinkSync('one', join(folder, 'alias'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are the same however its path is spelled', () => {
    expect(namesFor(join(folder, 'alias'))).toEqual(namesFor(join(folder, 'two/../one')));
  });

  it('differ between checkouts in everything that could collide', () => {
    const [one, two] = [namesFor(join(folder, 'one')), namesFor(join(folder, 'two'))];
    for (const key of ['id', 'cluster', 'runDir', 'kubeconfig'] as const) expect(one[key]).not.toBe(two[key]);
  });

  it('differ between the purposes of one checkout', () => {
    const [demo, test] = ['', 'test'].map((purpose) => namesFor(join(folder, 'one'), undefined, purpose));
    for (const key of ['cluster', 'runDir', 'kubeconfig'] as const) expect(demo?.[key]).not.toBe(test?.[key]);
  });

  it('fit where they are used', () => {
    const { cluster, runDir } = namesFor(join(folder, 'one'));
    // A kind cluster's name, and a Unix socket's path of at most 107 bytes below the folder.
    expect(cluster).toMatch(/^[a-z0-9][a-z0-9-]{0,48}$/);
    expect(join(runDir, 'root/run/containerd/containerd.sock').length).toBeLessThan(100);
  });
});
