import { execFile, execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensurePackages } from '../cluster/packages.ts';
import { freePort } from './free-port.ts';
import { startLocalServer, type LocalServer } from './local-server.ts';

/** A Postgres of this machine's own packages, on loopback, with an empty database. */
export interface Postgres extends LocalServer {
  url: string;
  /** What psql answers to one statement: a line for each row, columns separated by `|`. */
  query(sql: string): Promise<string>;
}

const PACKAGED = '/usr/lib/postgresql';

/** Installs its program for servers, which the client's package does not have. */
export async function installPostgres(): Promise<void> {
  await ensurePackages([{ package: 'postgresql', provides: 'pg_ctlcluster' }]);
}

/** Starts a Postgres; its directory goes away with it. */
export async function startPostgres(): Promise<Postgres> {
  await installPostgres();
  const bin = findBinaries();
  const owner = databaseOwner();
  const directory = mkdtempSync(join(tmpdir(), 'tracing-postgres-'));
  if (owner) chownSync(directory, owner.uid, owner.gid);
  const data = join(directory, 'data');
  execFileSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'shop', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { cwd: directory, ...owner, stdio: ['ignore', 'ignore', 'pipe'] },
  );

  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: directory,
    fsync: 'off',
  };
  const server = await startLocalServer({
    name: 'Postgres',
    command: join(bin, 'postgres'),
    args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    directory,
    owner,
    signal: 'SIGINT', // a fast shutdown: open connections are cut
    isReady: (log) => Promise.resolve(log.includes('ready to accept connections')),
    patienceMs: 60_000,
  });
  const url = `postgres://shop@127.0.0.1:${port}/postgres`;
  const query = async (sql: string) => {
    const { stdout } = await promisify(execFile)(join(bin, 'psql'), ['-X', '-A', '-t', '-d', url, '-c', sql]);
    return stdout.trim();
  };
  return { url, query, ...server };
}

function findBinaries(): string {
  const versions = existsSync(PACKAGED) ? readdirSync(PACKAGED).sort((a, b) => Number(b) - Number(a)) : [];
  const bin = versions
    .map((version) => join(PACKAGED, version, 'bin'))
    .find((path) => existsSync(join(path, 'initdb')));
  if (!bin) throw new Error(`no Postgres server in ${PACKAGED}: apt-get install postgresql`);
  return bin;
}

/** Postgres refuses to run as root; its package makes a user for it. */
function databaseOwner(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === 'postgres');
  if (!entry) throw new Error('root needs the user postgres to run Postgres as: apt-get install postgresql');
  return { uid: Number(entry[2]), gid: Number(entry[3]) };
}
