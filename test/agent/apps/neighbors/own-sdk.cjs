// A program with an SDK of its own.
const { trace } = require('@opentelemetry/api');
const { NodeTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-proto');

const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter())] });
if (process.argv[2] === 'register') provider.register();
const http = require('http');
const server = http
  .createServer((request, response) => response.end('x'))
  .listen(0, '127.0.0.1', () => {
    trace.getTracer('theirs').startActiveSpan('theirs', (span) => {
      http.get({ host: '127.0.0.1', port: server.address().port }, (answer) => {
        answer.resume().on('end', () => {
          span.end();
          server.close();
        });
      });
    });
  });
