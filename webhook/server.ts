import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';
import type { Decision } from '../injector/decision.ts';
import { WORKLOAD_KINDS } from '../injector/workload.ts';
import type { Entry } from './admit.ts';
import type { AdmissionReply, AdmissionRequest } from './review.ts';
import { decode, encode, MalformedReview } from './review.ts';

export interface WebhookMetrics {
  /** A request came to one of our paths; what is returned is called when it has been answered. */
  request(path: string): (code: number, seconds: number) => void;
  decision(kind: string, reason: string): void;
  failure(): void;
}

export interface WebhookOptions {
  admit: (request: AdmissionRequest, entry: Entry) => { reply: AdmissionReply; decisions: Decision[] };
  metrics: WebhookMetrics;
  /** An object was admitted as it is because of an error of ours. */
  onFailure?: (request: AdmissionRequest) => void;
  logger: Logger;
  /** Milliseconds, from any start on. */
  now?: () => number;
}

/** The largest request the API server sends is 3 MiB of object, twice in an update, and the review around them. */
const BODY_LIMIT = 7 * 2 ** 20;
/** Bytes of all bodies that are being received: whoever reaches the port must not fill our memory with many large ones. */
const BODIES_LIMIT = 64 * 2 ** 20;
/** The longest that the API server waits for any webhook, and what is assumed where it does not say. */
const LONGEST_WAIT = 10_000;

const ENTRIES: Record<string, Entry> = {
  '/mutate': 'object',
  '/mutate/namespace': 'namespace',
  '/mutate/take-over': 'take-over',
};
/** Kinds that the chart sends us: whoever else reaches the port must not make metrics of any name. */
const KINDS = new Set(['Pod', ...WORKLOAD_KINDS]);

/** The AdmissionReview endpoint; tls-server.ts puts it behind TLS. */
export function app(options: WebhookOptions): express.Express {
  const { admit, metrics, logger, now = () => performance.now() } = options;
  let receiving = 0;
  const server = express();
  server.disable('x-powered-by').disable('etag').enable('case sensitive routing').enable('strict routing');
  server.post(
    Object.keys(ENTRIES),
    (request: Request, response: Response<unknown, { began: number }>, next: NextFunction) => {
      const began = (response.locals.began = now());
      const finished = metrics.request(request.path);
      const length = Number(request.headers['content-length'] ?? BODY_LIMIT);
      const held = Math.min(length, BODY_LIMIT) || 0;
      receiving += held;
      response.once('close', () => {
        receiving -= held;
        // 499: the client went away before it was answered.
        finished(response.writableFinished ? response.statusCode : 499, (now() - began) / 1000);
      });
      if (receiving <= BODIES_LIMIT) return next();
      logger.warn({ receiving }, 'too much is being received at once: a request was refused');
      response.status(503).set('connection', 'close').type('text').send('too busy, try again\n');
    },
    express.json({ limit: BODY_LIMIT, type: () => true, strict: false, inflate: false }),
    (request: Request, response: Response<unknown, { began: number }>) => {
      const review = decode(request.body);
      const late = now() - response.locals.began >= budget(request.query['timeout']);
      const answer = JSON.stringify(
        encode(review.uid, late ? tooLate(review) : safely(review, ENTRIES[request.path]!)),
      );
      // Head and body in one write, which Express makes two of: what is written is most of what an answer costs.
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) })
        .end(answer);
    },
  );
  server.use((_request: Request, response: Response) => {
    response.status(404).type('text').send('Nothing here. AdmissionReviews are answered at POST /mutate.\n');
  });
  server.use((error: Error & { status?: number }, _request: Request, response: Response, _next: NextFunction) => {
    const status = error instanceof MalformedReview ? 400 : (error.status ?? 500);
    const reason = status < 500 ? error.message : 'internal error';
    logger.warn({ status, error: error.message }, 'a request that is not a good AdmissionReview');
    if (response.headersSent) response.destroy();
    else response.status(status).type('text').send(`${reason}\n`);
  });
  return server;

  /** On any doubt the object is admitted as it is, with a warning: a bug of ours must not keep a pod from starting. */
  function safely(review: AdmissionRequest, entry: Entry): AdmissionReply {
    try {
      const { reply, decisions } = admit(review, entry);
      for (const { reason } of decisions)
        metrics.decision(KINDS.has(review.kind.kind) ? review.kind.kind : 'other', reason);
      return reply;
    } catch (error) {
      return failed(review, error, 'because of an error in tracing-operator; its log has the details');
    }
  }

  /** Nobody waits for this answer any more: work on it would only make the next ones late as well. */
  function tooLate(review: AdmissionRequest): AdmissionReply {
    return failed(
      review,
      new Error('the time for this review was over before it could be looked at'),
      'for want of time',
    );
  }

  function failed(review: AdmissionRequest, error: unknown, why: string): AdmissionReply {
    metrics.failure();
    if (!review.dryRun) options.onFailure?.(review);
    logger.error({ error, namespace: review.namespace, kind: review.kind.kind, name: review.name }, 'admission failed');
    return { warnings: [`tracing: ${review.kind.kind} was admitted without tracing, ${why}`] };
  }
}

/** Milliseconds that the API server waits for an answer: it says so in the query, `timeout=3s`. */
function budget(timeout: unknown): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(typeof timeout === 'string' ? timeout : '') ?? [];
  if (amount === undefined) return LONGEST_WAIT;
  return Math.min(Number(amount) * (unit === 's' ? 1000 : 1), LONGEST_WAIT);
}
