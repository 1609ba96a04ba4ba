import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ferretdbFolder } from '../cluster/servers/ferretdb.ts';
import { freePort } from './free-port.ts';
import { answers, startLocalServer, type LocalServer } from './local-server.ts';

/** What speaks MongoDB's protocol, on loopback: FerretDB on SQLite, as MongoDB itself is in no package registry. */
export interface MongoDb extends LocalServer {
  url: string;
}

/** Starts a MongoDB; its program is built from its Go module, once. What it has stored outlives `down` and goes with `stop`. */
export async function startMongo(): Promise<MongoDb> {
  const command = join(await ferretdbFolder(), 'ferretdb');
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), 'tracing-mongodb-'));
  const data = join(directory, 'data');
  mkdirSync(data);
  const settings = {
    handler: 'sqlite',
    'sqlite-url': `file:${data}/`,
    'listen-addr': `127.0.0.1:${port}`,
    'debug-addr': '-',
    'state-dir': directory,
    telemetry: 'disable',
    'log-level': 'warn',
  };
  const server = await startLocalServer({
    name: 'FerretDB',
    command,
    args: Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
    directory,
    isReady: () => answers(port),
    patienceMs: 30_000,
  });
  return { url: `mongodb://127.0.0.1:${port}/`, ...server };
}
