import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHART } from '../../cli/chart.ts';
import { policyOfFile } from '../../cli/policy-of-file.ts';
import { writeMounted } from '../agent/mounted.ts';
import { startServer, type RunningServer } from '../agent/process.ts';
import { storesApp } from '../agent/systems/stores.ts';
import { startPostgres, type Postgres } from '../servers/postgres.ts';

/** Two traced services, one behind the other, and a database behind both. */
export interface Chain {
  /** Of the first service. */
  url: string;
  /** What the agents say, all of it. */
  output(): string;
  stop(): Promise<void>;
}

/** @param policy YAML of a TracingPolicy that the services follow. */
export async function startChain(policy: string): Promise<Chain> {
  const { key, ...document } = policyOfFile(policy, 'policy', CHART.defaultPolicy).document;
  const directory = mkdtempSync(join(tmpdir(), 'tracing-edge-'));
  writeMounted(directory, { 'pod/key': key, [key]: JSON.stringify({ key, ...document }) });
  const servers: RunningServer[] = [];
  let postgres: Postgres | undefined;
  const start = async (service: string, env: Record<string, string>): Promise<RunningServer> => {
    const common = { TRACING_ACME_POLICY_DIR: directory, TRACING_ACME_RESOURCE: `service.name=${service}` };
    const server = await startServer({
      args: ['chain.cjs'],
      cwd: storesApp(),
      env: { ...common, ...env },
      timeoutMillis: 60_000,
    });
    servers.unshift(server);
    return server;
  };
  const stop = async (): Promise<void> => {
    for (const server of servers) await server.stop('SIGKILL');
    await postgres?.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    postgres = await startPostgres();
    await postgres.query("CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (7, 'tea')");
    const back = await start('back', { DATABASE_URL: postgres.url });
    const front = await start('front', { NEXT: back.url });
    return { url: front.url, output: () => servers.map((server) => server.output()).join(''), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What reached the last service with a request. */
export interface Arrived {
  traceId: string;
  isSampled: boolean;
  tracestate: string | undefined;
  baggage: string | undefined;
}

const IN_FLIGHT = 24;
const connections = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });

/** Sends requests, several at a time; the answers are in the order of the requests. */
export async function send(url: string, count: number, request: (i: number) => Sent): Promise<Arrived[]> {
  const arrived: Arrived[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) arrived[i] = await ask(url, request(i));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return arrived;
}

export interface Sent {
  path?: string;
  headers?: Record<string, string>;
}

function ask(url: string, { path = '/', headers = {} }: Sent): Promise<Arrived> {
  return new Promise((resolve, reject) => {
    get(url + path, { agent: connections, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('error', reject).on('end', () => {
        try {
          resolve(read(text));
        } catch {
          reject(new Error(`${url}${path} answers ${response.statusCode}: ${text}`));
        }
      });
    }).on('error', reject);
  });
}

function read(text: string): Arrived {
  const { traceparent = '', tracestate, baggage } = JSON.parse(text) as Record<string, string | undefined>;
  const [, traceId = '', , flags = '0'] = traceparent.split('-');
  // Envoy writes the header though there is nothing in it.
  return { traceId, isSampled: (parseInt(flags, 16) & 1) === 1, tracestate: tracestate || undefined, baggage };
}
