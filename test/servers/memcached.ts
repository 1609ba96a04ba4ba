import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages } from '../cluster/packages.ts';
import { freePort } from './free-port.ts';
import { answers, startLocalServer, type LocalServer } from './local-server.ts';

/** A Memcached of this machine's own packages, on loopback. */
export interface Memcached extends LocalServer {
  /** `host:port`. */
  address: string;
}

export async function installMemcached(): Promise<void> {
  await ensurePackages([{ package: 'memcached', provides: 'memcached' }]);
}

/** Starts a Memcached; it is empty after it was down. */
export async function startMemcached(): Promise<Memcached> {
  await installMemcached();
  const port = await freePort();
  const server = await startLocalServer({
    name: 'Memcached',
    command: 'memcached',
    // Root is refused without -u, which means nothing to anybody else.
    args: ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-m', '16', '-t', '1', '-u', 'nobody'],
    directory: mkdtempSync(join(tmpdir(), 'tracing-memcached-')),
    isReady: () => answers(port),
    patienceMs: 30_000,
  });
  return { address: `127.0.0.1:${port}`, ...server };
}
