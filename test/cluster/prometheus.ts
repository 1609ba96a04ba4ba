import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { unpackDebian } from './debian.ts';

/** The folder in which Debian's `prometheus` and `promtool` are. They need the C library alone. */
export async function prometheusFolder(): Promise<string> {
  const folder = await cached({
    name: 'prometheus-debian',
    recipe: [process.arch],
    title: "fetching Debian's Prometheus",
    usually: '5 to 20 s',
    make: async (dir, log) => {
      const root = join(dir, 'root');
      mkdirSync(root);
      await unpackDebian('prometheus', root, { isNeeded: () => false, log });
    },
  });
  return join(folder, 'root/usr/bin');
}
