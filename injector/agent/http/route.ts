import * as channels from 'node:diagnostics_channel';
import { context, createContextKey, type Attributes, type Context, type Span } from '@opentelemetry/api';
import { failed } from '../report.ts';

/** Framework instrumentations write the route of a request here; same key and shape as in @opentelemetry/core. */
export const RPC_METADATA = createContextKey('OpenTelemetry SDK Context Key RPC_METADATA');

/** What the request's span and the frameworks share. */
export interface RpcMetadata {
  type: 'http';
  span: Span;
  route?: string;
}

interface FastifyRequest {
  routeOptions?: { url?: string };
  routerPath?: string;
}
interface Fastify {
  addHook(name: 'onRequest', hook: (request: FastifyRequest, reply: unknown, done: () => void) => void): void;
  addHook(name: 'onError', hook: (request: unknown, reply: unknown, error: HttpError, done: () => void) => void): void;
}
type HttpError = Error & { statusCode?: number };

/** Fastify has no instrumentation in the stock list, but announces each of its servers: their requests get a route and errors. */
export function watchFastify(): void {
  channels.channel('fastify.initialization').subscribe((message) => {
    try {
      const { fastify } = message as { fastify: Fastify };
      fastify.addHook('onRequest', noteRoute);
      fastify.addHook('onError', noteError);
    } catch (error) {
      failed('a Fastify server could not be instrumented', error);
    }
  });
}

/** The tracer of Next.js. */
export const NEXT = 'next.js';

/** Next.js, which has none in the list either, names the route of a request in spans of its own: a file's for an API's. */
export function noteNextRoute(attributes: Attributes, ctx: Context): void {
  const metadata = ctx.getValue(RPC_METADATA) as RpcMetadata | undefined;
  const route = attributes['next.route'];
  if (metadata !== undefined && typeof route === 'string') metadata.route = route.replace(/\/route$/, '') || '/';
}

function noteError(_request: unknown, _reply: unknown, error: HttpError, done: () => void): void {
  const metadata = context.active().getValue(RPC_METADATA) as RpcMetadata | undefined;
  // What a client did wrong is no error of the server.
  if ((error.statusCode ?? 500) >= 500) metadata?.span.recordException(error);
  done();
}

function noteRoute(request: FastifyRequest, _reply: unknown, done: () => void): void {
  const metadata = context.active().getValue(RPC_METADATA) as RpcMetadata | undefined;
  const route = request.routeOptions?.url ?? request.routerPath;
  if (metadata !== undefined && route !== undefined) metadata.route = route;
  done();
}
