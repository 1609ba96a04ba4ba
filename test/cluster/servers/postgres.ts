import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { addShell, addUser } from '../bases.ts';
import { cached } from '../cache.ts';
import { run } from '../command.ts';
import { writeImageArchive } from '../image-archive.ts';
import { outside } from '../outside.ts';
import { ensurePackageLists, ensurePackages, IMAGE_NEEDS } from '../packages.ts';

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
      await unpackServer(root, join(dir, 'packages'), log);
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

/** Fetches the server and the libraries it needs, and unpacks them: nothing is installed on this machine. */
async function unpackServer(root: string, work: string, log: string): Promise<void> {
  await ensurePackageLists();
  mkdirSync(work);
  const nothingInstalled = ['-o', 'Dir::State::status=/dev/null'];
  const plan = await run(
    'apt-get',
    ['--simulate', ...nothingInstalled, 'install', '--no-install-recommends', `postgresql-${MAJOR}`],
    {
      tolerant: true,
    },
  );
  const wanted = [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '').filter(isNeeded);
  if (!wanted.includes(`postgresql-${MAJOR}`)) {
    throw new Error(
      `This system's packages have no postgresql-${MAJOR} (Debian 12 has). Use Docker and kind, or Debian 12.`,
    );
  }
  // apt drops its rights for the download and then could not write here.
  await run(...outside('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', ...wanted]), { cwd: work, log });
  for (const file of readdirSync(work)) await run('dpkg-deb', ['-x', join(work, file), root], { log });
  rmSync(work, { recursive: true });
}

/** Of the packages that an empty system would get: the server, its client, the time zones, libraries but no tools. */
export function isNeeded(name: string): boolean {
  if (['libc-bin', 'tzdata', 'zlib1g', `postgresql-${MAJOR}`, `postgresql-client-${MAJOR}`].includes(name)) return true;
  return name.startsWith('lib') && !/-perl$|^lib(perl|llvm|z3|pam-|semanage|sepol|file-find|audit-common)/.test(name);
}

function finish(root: string): void {
  const dropped = [
    'usr/share/doc',
    'usr/share/man',
    'usr/share/locale',
    'usr/share/lintian',
    'usr/share/bug',
    `usr/lib/postgresql/${MAJOR}/lib/bitcode`,
  ];
  for (const path of dropped) rmSync(join(root, path), { recursive: true, force: true });
  rmSync(join(root, `usr/lib/postgresql/${MAJOR}/lib/llvmjit.so`), { force: true });
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
