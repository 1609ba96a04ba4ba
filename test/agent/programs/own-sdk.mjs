// An ES module with an SDK of its own: current SDKs have ES modules too, so no CommonJS file of it is ever loaded.
import { createServer, get } from 'node:http';
import { trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';

const sdk = new NodeSDK({ instrumentations: [], autoDetectResources: false });
sdk.start();
const server = createServer((request, response) => response.end('x')).listen(0, '127.0.0.1', () => {
  trace.getTracer('theirs').startActiveSpan('theirs', (span) => {
    get({ host: '127.0.0.1', port: server.address().port }, (answer) => {
      answer.resume().on('end', () => {
        span.end();
        server.close();
        sdk.shutdown();
      });
    });
  });
});
