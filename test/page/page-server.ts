import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import type { Asset } from '../../operator/page/server.ts';
import { pageApp } from '../../operator/page/server.ts';
import { Streams } from '../../operator/page/streams.ts';
import type { ClusterScene } from './cluster-scene.ts';

/** The only token that this server knows. */
export const TOKEN = 'of-ada';

/**
 * The page's real server, with a cluster that is put up for it and one person who may see all: what the API server says of people
 * is a matter of test/integration/coverage-page.test.ts.
 */
export class PageServer {
  readonly #streams: Streams;
  readonly #server: http.Server;

  constructor(scene: ClusterScene, assets: ReadonlyMap<string, Asset>) {
    const { source } = scene;
    const namespaces = () => source.namespaces();
    const ada = { name: 'ada', key: 'ada', subject: { user: 'ada', groups: [] } };
    this.#streams = new Streams({
      ...{ namespaces, of: (name) => source.of(name), clusterPolicies: () => source.clusterPolicies() },
      intervals: { settle: 20, heartbeat: 1_000, sight: 60_000 },
    });
    const app = pageApp({
      viewers: {
        identify: (credential) =>
          Promise.resolve('token' in credential && credential.token === TOKEN ? ada : undefined),
        visible: () => Promise.resolve({ all: true, namespaces: new Set(namespaces()) }),
        maySee: () => Promise.resolve(true),
        maySeeClusterPolicies: () => Promise.resolve(true),
      },
      ...{ streams: this.#streams, namespaces, assets, logger: pino({ enabled: false }) },
      reports: (namespace, kind, name) => source.reports(namespace, kind, name),
      events: () => [
        {
          ...{
            at: '2026-01-01T12:00:00Z',
            type: 'Warning',
            reason: 'ExportFailing',
            count: 3,
            about: 'TracingPolicy default',
          },
          note: 'spans are lost, see status.workloads for whose: exporter default: connection refused',
        },
      ],
    });
    this.#server = http.createServer(app);
  }

  async start(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  changed(namespace: string): void {
    this.#streams.changed(namespace);
  }

  async stop(): Promise<void> {
    this.#streams.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
