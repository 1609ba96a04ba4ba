// A program that uses nothing but the API: a span around a request, and what its context says within.
const api = require(process.argv[2]);
const http = require('http');

const tracer = api.trace.getTracer('by-hand', '1.0.0');
const server = http
  .createServer((request, response) => response.end('x'))
  .listen(0, '127.0.0.1', () => {
    tracer.startActiveSpan('by hand', (span) => {
      span.setAttribute('recording', span.isRecording());
      http.get({ host: '127.0.0.1', port: server.address().port }, (answer) => {
        answer.resume().on('end', () => {
          span.setAttribute('same', api.trace.getSpan(api.context.active()) === span);
          span.end();
          server.close();
        });
      });
    });
  });
