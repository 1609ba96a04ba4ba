import https from 'node:https';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';
import type { Decision } from '../injector/decision.ts';
import type { AdmissionReply, AdmissionRequest } from './review.ts';
import { decode, encode, MalformedReview } from './review.ts';

export interface Certificate {
  /** PEM, leaf first. */
  certificate: string;
  privateKey: string;
}

export interface WebhookMetrics {
  request(code: number, seconds: number): void;
  decision(kind: string, reason: string): void;
  failure(): void;
}

export interface WebhookOptions {
  /** @param namespaceAsked the API server found the namespace's own label to ask for all of its pods. */
  admit: (request: AdmissionRequest, namespaceAsked: boolean) => { reply: AdmissionReply; decisions: Decision[] };
  metrics: WebhookMetrics;
  /** An object was admitted as it is because of an error of ours. */
  onFailure?: (request: AdmissionRequest) => void;
  logger: Logger;
}

/** The largest request the API server sends is 3 MiB of object, twice in an update, and the review around them. */
const BODY_LIMIT = '7mb';

/** Kinds that the chart sends us: whoever else reaches the port must not make metrics of any name. */
const KINDS = new Set(['Pod', 'Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob']);

/** The AdmissionReview endpoint; `serve` puts it behind TLS. */
export function app(options: WebhookOptions): express.Express {
  const { admit, metrics, logger } = options;
  const server = express();
  server.disable('x-powered-by').disable('etag');
  server.use((_request: Request, response: Response, next: NextFunction) => {
    const began = performance.now();
    response.on('finish', () => metrics.request(response.statusCode, (performance.now() - began) / 1000));
    next();
  });
  server.post(
    ['/mutate', '/mutate/namespace'],
    express.json({ limit: BODY_LIMIT, type: () => true, strict: false }),
    (request: Request, response: Response) => {
      const review = decode(request.body);
      response.json(encode(review.uid, safely(review, request.path.endsWith('/namespace'))));
    },
  );
  server.use((_request: Request, response: Response) => {
    response.status(404).type('text').send('Nothing here. AdmissionReviews are answered at POST /mutate.\n');
  });
  server.use((error: Error & { status?: number }, _request: Request, response: Response, _next: NextFunction) => {
    const status = error instanceof MalformedReview ? 400 : (error.status ?? 500);
    const reason = status < 500 ? error.message : 'internal error';
    logger.warn({ status, error: error.message }, 'a request that is not a good AdmissionReview');
    response.status(status).type('text').send(`${reason}\n`);
  });
  return server;

  /** On any doubt the object is admitted as it is, with a warning: a bug of ours must not keep a pod from starting. */
  function safely(review: AdmissionRequest, namespaceAsked: boolean): AdmissionReply {
    try {
      const { reply, decisions } = admit(review, namespaceAsked);
      for (const { reason } of decisions)
        metrics.decision(KINDS.has(review.kind.kind) ? review.kind.kind : 'other', reason);
      return reply;
    } catch (error) {
      metrics.failure();
      if (!review.dryRun) options.onFailure?.(review);
      logger.error(
        { error, namespace: review.namespace, kind: review.kind.kind, name: review.name },
        'admission failed',
      );
      return {
        warnings: [
          `tracing: ${review.kind.kind} was admitted without tracing, because of an error in tracing-operator; its log has the details`,
        ],
      };
    }
  }
}

/** A server behind TLS. */
export interface TlsServer {
  port: number;
  /** Uses another certificate for new connections; those that are open go on. */
  setCertificate(certificate: Certificate): void;
  /** Stops taking connections and resolves when requests in flight are answered. */
  close(): Promise<void>;
}

export async function serve(
  handler: express.Express,
  options: { port: number; host?: string; certificate: Certificate },
): Promise<TlsServer> {
  const tls = ({ certificate, privateKey }: Certificate) => ({
    cert: certificate,
    key: privateKey,
    minVersion: 'TLSv1.2' as const,
  });
  const server = https.createServer(
    { ...tls(options.certificate), requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 90_000 },
    handler,
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    setCertificate: (certificate) => server.setSecureContext(tls(certificate)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}
