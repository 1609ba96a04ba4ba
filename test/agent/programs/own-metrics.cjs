// A program with metrics and a logger of its own and no tracing: prints what it counted, and what the API complained of.
const { createServer, get } = require('node:http');
const { DiagLogLevel, diag, metrics, trace } = require('@opentelemetry/api');
const {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} = require('@opentelemetry/sdk-metrics');

const complain = (text) => console.log(text);
diag.setLogger({ error: complain, warn: complain, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN);
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter });
console.log('registered', metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] })));
metrics.getMeter('own').createCounter('orders').add(3);
const server = createServer((request, response) => response.end('x')).listen(0, '127.0.0.1', () => {
  trace.getTracer('by-hand').startActiveSpan('by hand', (span) => {
    get({ host: '127.0.0.1', port: server.address().port }, (answer) => {
      answer.resume().on('end', async () => {
        span.end();
        server.close();
        await reader.forceFlush();
        console.log('counted', exporter.getMetrics()[0].scopeMetrics[0].metrics[0].dataPoints[0].value);
        await reader.shutdown();
      });
    });
  });
});
