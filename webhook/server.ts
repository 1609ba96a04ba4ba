import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
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

const ENTRIES = new Map<string, Entry>([
  ['/mutate', 'object'],
  ['/mutate/namespace', 'namespace'],
  ['/mutate/take-over', 'take-over'],
]);
/** Kinds that the chart sends us: whoever else reaches the port must not make metrics of any name. */
const KINDS = new Set(['Pod', ...WORKLOAD_KINDS]);

/** A body that is not taken; the message is for the client. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * The AdmissionReview endpoint; tls-server.ts puts it behind TLS. Without Express, which the rest of the operator has: it is
 * an eighth of what a review costs, for what is little here.
 */
export function app(options: WebhookOptions): RequestListener {
  const { admit, metrics, logger, now = () => performance.now() } = options;
  let receiving = 0;
  return (request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const entry = ENTRIES.get(path);
    if (!entry || request.method !== 'POST')
      return say(response, 404, 'Nothing here. AdmissionReviews are answered at POST /mutate.');
    const began = now();
    const finished = metrics.request(path);
    const length = Number(request.headers['content-length'] ?? BODY_LIMIT);
    const held = Math.min(length, BODY_LIMIT) || 0;
    receiving += held;
    response.once('close', () => {
      receiving -= held;
      // 499: the client went away before it was answered.
      finished(response.writableFinished ? response.statusCode : 499, (now() - began) / 1000);
    });
    if (receiving > BODIES_LIMIT) {
      logger.warn({ receiving }, 'too much is being received at once: a request was refused');
      response.setHeader('connection', 'close');
      return say(response, 503, 'too busy, try again');
    }
    receive(request)
      .then((body) => {
        const review = decode(body);
        const late = now() - began >= budget(query);
        const reply = late ? tooLate(review) : safely(review, entry);
        answer(response, 200, 'application/json', JSON.stringify(encode(review.uid, reply)));
      })
      .catch((error: Error) => {
        const status = error instanceof MalformedReview ? 400 : error instanceof Refusal ? error.status : 500;
        logger.warn({ status, error: error.message }, 'a request that is not a good AdmissionReview');
        say(response, status, status < 500 ? error.message : 'internal error');
      });
  };

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

/**
 * The whole body of a request.
 * @throws Refusal
 */
function receive(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const { 'content-encoding': encoding = 'identity', 'content-length': length = '0' } = request.headers;
    if (encoding.toLowerCase() !== 'identity') return reject(new Refusal(415, `a body in ${encoding} is not taken`));
    const refuseSize = () => reject(new Refusal(413, `a body may have ${BODY_LIMIT} bytes`));
    if (Number(length) > BODY_LIMIT) return refuseSize();
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= BODY_LIMIT) return chunks.push(chunk);
      chunks.length = 0;
      refuseSize();
    });
    request.once('end', () => resolve(Buffer.concat(chunks).toString()));
    request.once('error', ({ message }) => reject(new Refusal(400, message)));
  });
}

function say(response: ServerResponse, status: number, text: string): void {
  answer(response, status, 'text/plain; charset=utf-8', `${text}\n`);
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}

/** Milliseconds that the API server waits for an answer: it says so in the query, `timeout=3s`. */
function budget(query: string): number {
  const [, amount, unit] = /(?:^|&)timeout=(\d+(?:\.\d+)?)(ms|s)(?:&|$)/.exec(query) ?? [];
  if (amount === undefined) return LONGEST_WAIT;
  return Math.min(Number(amount) * (unit === 's' ? 1000 : 1), LONGEST_WAIT);
}
