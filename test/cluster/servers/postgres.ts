import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addShell, addUser } from '../bases.ts';
import { cached } from '../cache.ts';
import { isLibrary, unpackDebian } from '../debian.ts';
import { writeImageArchive } from '../image-archive.ts';
import { ensurePackages, IMAGE_NEEDS } from '../packages.ts';

const MAJOR = '15';
const USER_ID = 999;
const DATA = '/var/lib/postgresql/data';
const BIN = `/usr/lib/postgresql/${MAJOR}/bin`;
const ENTRYPOINT = join(import.meta.dirname, 'postgres-entrypoint.sh');

/** An image of Debian's Postgres 15 that is configured by the same variables as the official one. */
export async function postgresArchive(ref: string): Promise<string> {
  const folder = await cached({
    name: `server-postgres-${MAJOR}`,
    recipe: [process.arch, ref, readFileSync(ENTRYPOINT), readFileSync(import.meta.filename)],
    title: `making the image ${ref} from Debian's packages`,
    usually: '10 to 30 s',
    make: async (dir, log) => {
      await ensurePackages(IMAGE_NEEDS);
      const root = join(dir, 'root');
      mkdirSync(root, { mode: 0o755 });
      await addShell(root);
      await unpackDebian(`postgresql-${MAJOR}`, root, { isNeeded, log });
      finish(root);
      const Env = [`PATH=${BIN}:/usr/local/bin:/usr/bin:/bin`, `PGDATA=${DATA}`, 'LANG=C.UTF-8', `PG_MAJOR=${MAJOR}`];
      const start = { Entrypoint: ['docker-entrypoint.sh'], Cmd: ['postgres'], StopSignal: 'SIGINT' };
      const outside = { ExposedPorts: { '5432/tcp': {} }, Volumes: { [DATA]: {} } };
      await writeImageArchive(join(dir, 'image.tar'), ref, root, { Env, ...start, ...outside });
      rmSync(root, { recursive: true });
    },
  });
  return join(folder, 'image.tar');
}

/** Of the packages that an empty system would get: the server, its client, the time zones, libraries but no tools. */
export function isNeeded(name: string): boolean {
  return isLibrary(name) || ['tzdata', `postgresql-${MAJOR}`, `postgresql-client-${MAJOR}`].includes(name);
}

function finish(root: string): void {
  for (const path of ['bitcode', 'llvmjit.so'])
    rmSync(join(root, `usr/lib/postgresql/${MAJOR}/lib`, path), { recursive: true, force: true });
  const sample = join(root, `usr/share/postgresql/${MAJOR}/postgresql.conf.sample`);
  writeFileSync(sample, readFileSync(sample, 'utf8').replace(/^#?listen_addresses = .*$/m, "listen_addresses = '*'"));
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  copyFileSync(ENTRYPOINT, join(root, 'usr/local/bin/docker-entrypoint.sh'));
  chmodSync(join(root, 'usr/local/bin/docker-entrypoint.sh'), 0o755);
  mkdirSync(join(root, 'docker-entrypoint-initdb.d'));
  addUser(root, 'postgres', USER_ID, '/var/lib/postgresql');
  for (const folder of [DATA, '/var/run/postgresql']) {
    mkdirSync(join(root, folder), { recursive: true });
    chownSync(join(root, folder), USER_ID, USER_ID);
    chmodSync(join(root, folder), 0o1777);
  }
}
