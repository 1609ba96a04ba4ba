import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context } from '@opentelemetry/api';
import { RedisInstrumentation as Base } from '@opentelemetry/instrumentation-redis';
import { noteReply } from '../caches/hit.ts';

interface Client {
  options?: { socket?: { host?: string; port?: number } };
}
type Connect = (this: Client, ...values: unknown[]) => Promise<unknown>;

/**
 * Theirs, but that it says whether a key was there, and that a connection is made outside of any trace. Theirs makes it within the span that says how long that took, and
 * all that the connection ever does by itself, such as hearing messages, would belong to that span.
 */
export class RedisInstrumentation extends Base {
  constructor(config = {}) {
    super({ ...config, responseHook: noteReply });
    const { instrumentationV4_V5: modern } = this as unknown as { instrumentationV4_V5: object };
    Object.assign(modern, { _getPatchedClientConnect: () => (connect: Connect) => this.connecting(connect) });
  }

  private connecting(connect: Connect): Connect {
    const start = (client: Client) =>
      this.tracer.startSpan('connect', {
        kind: SpanKind.CLIENT,
        attributes: {
          'db.system.name': 'redis',
          'server.address': client.options?.socket?.host,
          'server.port': client.options?.socket?.port,
        },
      });
    return async function (...values) {
      const span = start(this);
      try {
        return await context.with(ROOT_CONTEXT, connect, this, ...values);
      } catch (error) {
        span.recordException(error as Error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: String((error as Error | undefined)?.message) });
        throw error;
      } finally {
        span.end();
      }
    };
  }
}
