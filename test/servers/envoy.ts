import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { envoyFolder } from '../cluster/servers/envoy.ts';
import { freePort } from './free-port.ts';
import { answers, startLocalServer, type LocalServer } from './local-server.ts';

/** An Envoy on loopback, in front of one server. */
export interface Envoy extends LocalServer {
  url: string;
}

/** What of its configuration is about tracing. */
export interface EnvoyTracing {
  http_connection_manager: { http_filters?: object[]; [field: string]: unknown };
  clusters: object[];
}

const FILTERS = 'type.googleapis.com/envoy.extensions.filters';
const APP = 'app';

/** @param upstream `http://HOST:PORT` of the server behind it. */
export async function startEnvoy({ upstream, tracing }: { upstream: string; tracing: EnvoyTracing }): Promise<Envoy> {
  const command = join(await envoyFolder(), 'envoy');
  const directory = mkdtempSync(join(tmpdir(), 'tracing-envoy-'));
  const port = await freePort();
  const file = join(directory, 'envoy.json');
  writeFileSync(file, bootstrap({ port, upstream: Number(new URL(upstream).port), tracing }));
  const server = await startLocalServer({
    name: 'Envoy',
    command,
    args: ['-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'warning'],
    directory,
    isReady: () => answers(port),
    patienceMs: 60_000,
  });
  return { url: `http://127.0.0.1:${port}`, ...server };
}

/** @throws Error with what Envoy says where it does not take a configuration. */
export async function checkEnvoy(tracing: EnvoyTracing): Promise<void> {
  const config = bootstrap({ port: 1, upstream: 2, tracing });
  await promisify(execFile)(join(await envoyFolder(), 'envoy'), ['--mode', 'validate', '--config-yaml', config]);
}

/** Envoy's configuration, on ports of loopback. */
function bootstrap({ port, upstream, tracing }: { port: number; upstream: number; tracing: EnvoyTracing }): string {
  const { http_filters = [], ...more } = tracing.http_connection_manager;
  const manager = {
    '@type': `${FILTERS}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'edge',
    codec_type: 'HTTP1',
    // It stands at the edge: requests come from outside.
    use_remote_address: true,
    route_config: {
      virtual_hosts: [{ name: APP, domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: APP } }] }],
    },
    http_filters: [
      ...http_filters,
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${FILTERS}.http.router.v3.Router` } },
    ],
    ...more,
  };
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
  return JSON.stringify({
    static_resources: {
      listeners: [{ name: 'edge', address: socketAddress(port), filter_chains: [{ filters: [filter] }] }],
      clusters: [
        {
          name: APP,
          type: 'STATIC',
          load_assignment: {
            cluster_name: APP,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(upstream) } }] }],
          },
        },
        ...tracing.clusters,
      ],
    },
  });
}

function socketAddress(port: number) {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
