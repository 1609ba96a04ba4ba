import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addUser } from '../bases.ts';
import { isLibrary } from '../debian.ts';
import { packagedServerArchive } from './packaged.ts';

const MAJOR = '15';
const USER_ID = 999;
const DATA = '/var/lib/postgresql/data';
const BIN = `/usr/lib/postgresql/${MAJOR}/bin`;
const ENTRYPOINT = join(import.meta.dirname, 'postgres-entrypoint.sh');

/** An image of Debian's Postgres 15 that is configured by the same variables as the official one. */
export function postgresArchive(ref: string): Promise<string> {
  return packagedServerArchive(ref, {
    package: `postgresql-${MAJOR}`,
    recipe: Buffer.concat([readFileSync(ENTRYPOINT), readFileSync(import.meta.filename)]),
    isNeeded,
    finish,
    config: {
      Env: [`PATH=${BIN}:/usr/local/bin:/usr/bin:/bin`, `PGDATA=${DATA}`, `PG_MAJOR=${MAJOR}`],
      Entrypoint: ['docker-entrypoint.sh'],
      Cmd: ['postgres'],
      StopSignal: 'SIGINT',
      ExposedPorts: { '5432/tcp': {} },
      Volumes: { [DATA]: {} },
    },
  });
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
