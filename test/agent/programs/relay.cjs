const http = require('http');

// Asks the service behind it (NEXT) for the same path and answers with its status, or says itself which headers it got.
// ?status=503 is what the last one answers with, after ?millis=20.
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const { NEXT } = process.env;
const server = http.createServer((request, response) => {
  if (NEXT) {
    const forwarded = Object.entries(request.headers).filter(([name]) => name.startsWith('x-'));
    http.get(NEXT + request.url, { agent, headers: Object.fromEntries(forwarded) }, (answer) => {
      response.writeHead(answer.statusCode);
      answer.pipe(response);
    });
    return;
  }
  const { searchParams } = new URL(request.url, 'http://relay');
  const { traceparent, tracestate } = request.headers;
  setTimeout(
    () => {
      response.writeHead(Number(searchParams.get('status') ?? 200)).end(JSON.stringify({ traceparent, tracestate }));
    },
    Number(searchParams.get('millis') ?? 0),
  );
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
