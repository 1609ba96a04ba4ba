import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SUPPORTED_LINES } from '../../injector/agent/runtimes/index.ts';
import { startKafka, type Kafka } from '../servers/kafka.ts';
import { installedApp } from './app.ts';
import { ROOT, startServer, type RunningServer } from './process.ts';
import { Sink } from './sink.ts';

let kafka: Kafka | undefined;
let app: string;
let sink: Sink;
let server: RunningServer | undefined;
beforeAll(async () => {
  app = installedApp(join(ROOT, 'test/agent/apps/kafka'));
  kafka = await startKafka();
}, 300_000);
afterAll(() => kafka?.stop());
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(async () => {
  await server?.stop('SIGKILL');
  await sink.stop();
});

describe('a message through a real Kafka stays in its trace', () => {
  // Each line in one module system, so that both are tried on several.
  it.each(SUPPORTED_LINES.map((line, at) => [line, at % 2 === 0 ? 'server.cjs' : 'server.mjs'] as const))(
    'Node %s, %s',
    async (line, program) => {
      server = await startServer({
        line,
        args: [join(app, program), kafka!.broker, `orders-${line}`],
        cwd: app,
        env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_SERVICE_NAME: 'kafka', OTEL_BSP_SCHEDULE_DELAY: '20' },
        timeoutMillis: 90_000,
      });
      expect(await (await fetch(`${server.url}/order/7`)).text()).toBe('came back');
      const spans = await sink.until((seen) =>
        ['server', 'producer', 'consumer'].every((kind) => seen.some((span) => span.kind === kind)),
      );
      const entry = spans.find((span) => span.kind === 'server');
      const sent = spans.find((span) => span.kind === 'producer');
      const received = spans.find((span) => span.kind === 'consumer' && span.traceId === entry?.traceId);
      expect(sent).toMatchObject({ traceId: entry?.traceId, parentSpanId: entry?.spanId });
      expect(received).toMatchObject({ parentSpanId: sent?.spanId });
      for (const span of [sent, received])
        expect(span?.attributes).toMatchObject({
          'messaging.system': 'kafka',
          'messaging.destination.name': `orders-${line}`,
        });
      expect(server.output()).not.toContain('tracing-operator:');
    },
    120_000,
  );
});
