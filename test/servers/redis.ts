import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages } from '../cluster/packages.ts';
import { freePort } from './free-port.ts';
import { startLocalServer, type LocalServer } from './local-server.ts';

/** A Redis of this machine's own packages, on loopback. */
export interface Redis extends LocalServer {
  url: string;
}

export async function installRedis(): Promise<void> {
  await ensurePackages([{ package: 'redis-server', provides: 'redis-server' }]);
}

/** Starts a Redis that keeps nothing: it is empty after it was down. */
export async function startRedis(): Promise<Redis> {
  await installRedis();
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), 'tracing-redis-'));
  const server = await startLocalServer({
    name: 'Redis',
    command: 'redis-server',
    args: ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', '', '--appendonly', 'no'],
    directory,
    isReady: (log) => Promise.resolve(log.includes('Ready to accept connections')),
    patienceMs: 30_000,
  });
  return { url: `redis://127.0.0.1:${port}`, ...server };
}
