import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { addShell } from '../bases.ts';
import { cached } from '../cache.ts';
import { unpackDebian } from '../debian.ts';
import { writeImageArchive, type ImageConfig } from '../image-archive.ts';
import { ensurePackages, IMAGE_NEEDS } from '../packages.ts';

/** A server that Debian has a package of. */
interface PackagedServer {
  package: string;
  /** What goes into the image besides the package: its own source will do. */
  recipe: Buffer;
  /** Picks from the packages that an empty system would get. */
  isNeeded(name: string): boolean;
  /** Does the rest, in the folder that becomes the image's root. */
  finish(root: string): void;
  /** With a PATH of its own in `Env`, or without. */
  config: ImageConfig;
}

/** An image made of a Debian package. */
export async function packagedServerArchive(ref: string, server: PackagedServer): Promise<string> {
  const folder = await cached({
    name: `server-${ref.replace(/[/:]/g, '-')}`,
    recipe: [process.arch, ref, server.recipe, readFileSync(import.meta.filename)],
    title: `making the image ${ref} from Debian's packages`,
    usually: '10 to 30 s',
    make: async (dir, log) => {
      await ensurePackages(IMAGE_NEEDS);
      const root = join(dir, 'root');
      mkdirSync(root, { mode: 0o755 });
      await addShell(root);
      await unpackDebian(server.package, root, { isNeeded: (name) => server.isNeeded(name), log });
      server.finish(root);
      const { Env: own = [] } = server.config;
      const path = own.some((entry) => entry.startsWith('PATH=')) ? [] : ['PATH=/usr/local/bin:/usr/bin:/bin'];
      const Env = [...path, 'LANG=C.UTF-8', ...own];
      await writeImageArchive(join(dir, 'image.tar'), ref, root, { ...server.config, Env });
      rmSync(root, { recursive: true });
    },
  });
  return join(folder, 'image.tar');
}
