import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import type { Certificate, TlsServer } from '../../webhook/tls-server.ts';
import { serve } from '../../webhook/tls-server.ts';
import type { Config } from '../config.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Part } from '../manager.ts';
import type { ClusterView } from '../policy/cluster-view.ts';
import { reachOf, releaseOf } from '../reach.ts';
import type { KeptReport } from '../reports/report.ts';
import { ClientAuthorities } from './client-authorities.ts';
import { RecentEvents } from './events.ts';
import { pageApp } from './server.ts';
import type { Asset } from './server.ts';
import { Source } from './source.ts';
import { Streams } from './streams.ts';
import { Viewers } from './viewers.ts';

export interface Page {
  /** Something in a namespace may be other than it was. */
  changed(namespace: string): void;
  serve(certificate: Certificate): Promise<TlsServer>;
  /** What it watches. */
  part: Part;
}

const FILES: Readonly<Record<string, [file: string, type: string]>> = {
  '/': ['page.html', 'html'],
  '/page.js': ['page.js', 'text/javascript'],
  '/page.css': ['page.css', 'css'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};
/** Connections at a time: a browser has a few. */
const CONNECTIONS = 300;

/** Everything that the coverage page needs; undefined where the configuration has none. */
export function coveragePage(
  config: Config,
  client: KubeClient,
  view: ClusterView,
  { reports, logger }: { reports: (podUid: string) => KeptReport[]; logger: Logger },
): Page | undefined {
  const { page } = config;
  if (!page) return undefined;
  const source = new Source({ view, reports, reach: reachOf(config), release: releaseOf(config), now: Date.now });
  const streams = new Streams({
    namespaces: () => source.namespaces(),
    of: (name) => source.of(name),
    clusterPolicies: () => source.clusterPolicies(),
  });
  const events = new RecentEvents(client, logger);
  const authorities = new ClientAuthorities(client, logger);
  const app = pageApp({
    viewers: new Viewers(client, Date.now),
    streams,
    namespaces: () => source.namespaces(),
    reports: (namespace, kind, name) => source.reports(namespace, kind, name),
    events: (namespace, kind, name) => events.of(namespace, kind, name),
    // Beside the program, as operator/build.ts leaves them.
    assets: pageAssets(join(dirname(process.argv[1]!), 'page')),
    logger,
  });
  return {
    changed: (namespace) => streams.changed(namespace),
    serve: async (certificate) => {
      await authorities.read();
      const clientAuthorities = () => authorities.pem;
      const server = await serve(app, { port: page.port, certificate, clientAuthorities, maxConnections: CONNECTIONS });
      let current = certificate;
      const setCertificate = (next: Certificate) => server.setCertificate((current = next));
      authorities.keep(() => setCertificate(current));
      const drain = () => {
        streams.close();
        server.drain();
      };
      const close = (grace: number) => {
        authorities.stop();
        streams.close();
        return server.close(grace);
      };
      return { ...server, setCertificate, drain, close };
    },
    part: { name: 'coverage page', start: () => events.start(), stop: () => events.stop() },
  };
}

/** The page's files in a folder; none where it was not built, as when the sources run as they are. */
export function pageAssets(directory: string): Map<string, Asset> {
  const assets = new Map<string, Asset>();
  for (const [path, [file, type]] of Object.entries(FILES)) {
    try {
      assets.set(path, { type, body: readFileSync(join(directory, file), 'utf8') });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return assets;
}
