import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { unpackDebian } from '../debian.ts';

/**
 * The folder with the program `nginx` of Debian's package in the cache. It is not installed, because the package would start
 * it on port 80. The libraries that it needs belong to every Debian.
 */
export async function nginxFolder(): Promise<string> {
  const folder = await cached({
    name: 'nginx-debian',
    recipe: [process.arch],
    title: "fetching Debian's NGINX",
    usually: '2 to 10 s',
    make: async (dir, log) => {
      const root = join(dir, 'root');
      mkdirSync(root);
      await unpackDebian('nginx', root, { isNeeded: () => false, log });
    },
  });
  return join(folder, 'root/usr/sbin');
}
