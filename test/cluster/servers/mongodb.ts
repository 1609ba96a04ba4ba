import { chmodSync, chownSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addShell, addUser } from '../bases.ts';
import { cached } from '../cache.ts';
import { writeImageArchive } from '../image-archive.ts';
import { ensurePackages, IMAGE_NEEDS } from '../packages.ts';
import { ferretdbFolder } from './ferretdb.ts';

const DATA = '/data/db';
// Whatever mongod is told, it is FerretDB that starts.
const MONGOD = `#!/bin/sh
exec ferretdb --handler=sqlite --sqlite-url=file:${DATA}/ --state-dir=${DATA} --listen-addr=:27017 --debug-addr=- \\
  --telemetry=disable --log-level=error
`;

/** An image that stands in for MongoDB's, of which no package registry has the program: FerretDB speaks its protocol. */
export async function mongodbArchive(ref: string): Promise<string> {
  const program = join(await ferretdbFolder(), 'ferretdb');
  const folder = await cached({
    name: 'server-mongodb',
    recipe: [program, ref, readFileSync(import.meta.filename)],
    title: `making the image ${ref} of FerretDB`,
    usually: '2 s',
    make: async (dir) => {
      await ensurePackages(IMAGE_NEEDS);
      const root = join(dir, 'root');
      mkdirSync(root, { mode: 0o755 });
      await addShell(root);
      addUser(root, 'mongodb', 999, '/home/mongodb');
      mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
      cpSync(program, join(root, 'usr/local/bin/ferretdb'));
      writeFileSync(join(root, 'usr/local/bin/mongod'), MONGOD, { mode: 0o755 });
      mkdirSync(join(root, DATA), { recursive: true });
      chownSync(join(root, DATA), 999, 999);
      chmodSync(join(root, DATA), 0o1777);
      const Env = ['PATH=/usr/local/bin:/usr/bin:/bin'];
      await writeImageArchive(join(dir, 'image.tar'), ref, root, { Env, Cmd: ['mongod'], Volumes: { [DATA]: {} } });
      rmSync(root, { recursive: true });
    },
  });
  return join(folder, 'image.tar');
}
