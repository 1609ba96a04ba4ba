import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../progress.ts';

const ROOT = '/sys/fs/cgroup';

/** The roots of the control group hierarchies: the one of version 2, or those of version 1. */
function hierarchies(): string[] {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [ROOT];
  return readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(ROOT, entry.name));
}

/** Makes the group under which kubelet puts all of its pods. */
export function makeCgroup(name: string): void {
  for (const hierarchy of hierarchies()) mkdirSync(join(hierarchy, name), { recursive: true });
}

/**
 * Removes the group and all below it. Its processes must have ended; the kernel may take a moment longer to let go of the
 * groups of many.
 */
export async function removeCgroup(name: string): Promise<void> {
  await until(`the control group ${name} is busy: it could not be removed`, 20_000, () => {
    try {
      for (const hierarchy of hierarchies()) removeTree(join(hierarchy, name));
      return Promise.resolve(true);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      return Promise.resolve(false);
    }
  });
}

/** A control group is removed by rmdir, its groups first; its files go with it. */
function removeTree(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(path, entry.name));
  rmdirSync(path);
}
