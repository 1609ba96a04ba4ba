import type { TLSSocket } from 'node:tls';
import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';
import type { EventState, WorkloadDetails } from './state.ts';
import type { Sight, Streams } from './streams.ts';
import type { Credential, Viewer, Viewers } from './viewers.ts';
import { Busy } from './viewers.ts';
import { responseSink } from './sink.ts';

/** A file of the page, ready to be sent. */
export interface Asset {
  type: string;
  body: string;
}

export interface PageOptions {
  viewers: Pick<Viewers, 'identify' | 'visible' | 'maySee' | 'maySeeClusterPolicies'>;
  streams: Streams;
  namespaces: () => string[];
  /** What the agents of a workload report. */
  reports: (namespace: string, kind: string, name: string) => string[];
  /** Recent events of a namespace, those about a workload or its pods first. */
  events: (namespace: string, kind: string, name: string) => EventState[];
  /** By path, as `/page.js`. */
  assets: ReadonlyMap<string, Asset>;
  logger: Logger;
}

/**
 * Nothing but this server's own files is loaded, none of them is written into the page's own text, and other sites can neither
 * frame the page nor read it. Credentials come in a header that no other site can have a browser send, so that there is nothing
 * to forge; and nothing is ever changed.
 */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), usb=()',
  'Cache-Control': 'no-store',
} as const;

/** Of a name in Kubernetes, and of a kind. */
const LONGEST = 253;

/** The coverage page: its files for everybody, what they show for whoever may read it in the cluster. */
export function pageApp(options: PageOptions): express.Express {
  const { viewers, streams, namespaces, reports, events, assets, logger } = options;
  const app = express().disable('x-powered-by').disable('etag');
  app.use((request, response, next) => {
    response.set(HEADERS);
    if (request.method === 'GET' || request.method === 'HEAD') next();
    else response.status(405).set('Allow', 'GET, HEAD').type('text').send('this page only reads\n');
  });

  app.get('/api/stream', async (request, response) => {
    const credential = credentialOf(request);
    const viewer = await identified(credential, response);
    if (!viewer || !credential) return;
    const full = streams.full(viewer.key);
    if (full !== undefined) return void refuse(response, 429, `${full}: close one, or come again later`);
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    response.status(200).set({ 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
    response.flushHeaders();
    const look = async (): Promise<Sight | undefined> => {
      // It may have ended since.
      const now = await viewers.identify(credential);
      if (!now) return undefined;
      const { all, namespaces: seen } = await viewers.visible(now, namespaces());
      const policies = all && (await viewers.maySeeClusterPolicies(now));
      return { user: now.name, all, namespaces: seen, policies };
    };
    // What goes wrong from here on ends the stream, and the browser comes again.
    await streams.run(viewer.key, responseSink(response), look, gone.signal).catch((error: unknown) => {
      if (!gone.signal.aborted) logger.debug({ error: String(error) }, 'a stream of the coverage page was cut');
      response.destroy();
    });
  });

  app.get('/api/workload', async (request, response) => {
    const viewer = await identified(credentialOf(request), response);
    if (!viewer) return;
    const [namespace, kind, name] = ['namespace', 'kind', 'name'].map((key) => request.query[key]);
    if (!isName(namespace) || !isName(kind) || !isName(name))
      return void refuse(
        response,
        400,
        'namespace, kind and name are needed, e.g. ?namespace=shop&kind=Deployment&name=order',
      );
    if (!(await viewers.maySee(viewer, namespace)))
      return void refuse(response, 403, `you may not see namespace ${namespace}: the role view in it is enough`);
    const details: WorkloadDetails = {
      reports: reports(namespace, kind, name),
      events: events(namespace, kind, name),
    };
    response.json(details);
  });

  app.get(/.*/, (request, response) => {
    const asset = assets.get(request.path);
    if (asset) response.type(asset.type).send(asset.body);
    else refuse(response, 404, 'there is no such page');
  });

  app.use((error: Error & { status?: number }, _request: Request, response: Response, _next: NextFunction) => {
    const status = error instanceof Busy ? 503 : (error.status ?? 503);
    if (status >= 500) logger.warn({ error: error.message }, 'the coverage page could not answer');
    response.set('Retry-After', '5');
    refuse(response, status, status < 500 ? error.message : 'try again later');
  });
  return app;

  async function identified(credential: Credential | undefined, response: Response): Promise<Viewer | undefined> {
    const viewer = credential && (await viewers.identify(credential));
    if (!viewer) {
      const why = credential ? 'the API server does not know this token' : 'a token of the cluster is needed';
      response.set('WWW-Authenticate', 'Bearer');
      refuse(response, 401, `${why}: kubectl tracing ui opens the page with yours`);
    }
    return viewer;
  }
}

function refuse(response: Response, status: number, why: string): void {
  if (response.headersSent) return void response.destroy();
  response.status(status).type('text').send(`${why}\n`);
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= LONGEST;
}

/** A bearer token, or the certificate of the connection where an authority of the cluster's has signed it. */
function credentialOf(request: Request): Credential | undefined {
  const [, token] = /^Bearer (\S{1,16384})$/i.exec(request.headers.authorization ?? '') ?? [];
  if (token !== undefined) return { token };
  const socket = request.socket as Partial<TLSSocket>;
  if (!socket.authorized || !socket.getPeerCertificate) return undefined;
  const { subject, valid_to: end } = socket.getPeerCertificate();
  const { CN: commonName, O: organizations = [] } = (subject ?? {}) as { CN?: string; O?: string | string[] };
  // A connection may last longer than it.
  if (typeof commonName !== 'string' || Date.parse(end) < Date.now()) return undefined;
  return { certificate: { commonName, organizations: [organizations].flat() } };
}
