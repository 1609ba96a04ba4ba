// node chain.cjs: asks the service behind it (NEXT), or as the last one the database (DATABASE_URL), and answers with the headers
// of a trace that the last one got. ?status=503 is what the last one answers with.
const http = require('http');
const { Pool } = require('pg');

const { NEXT, DATABASE_URL } = process.env;
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const pool = DATABASE_URL && new Pool({ connectionString: DATABASE_URL, max: 8 });

async function last(request, response) {
  const { searchParams } = new URL(request.url, 'http://chain');
  await pool.query('SELECT name FROM items WHERE id = $1', [7]);
  const { traceparent, tracestate, baggage } = request.headers;
  response
    .writeHead(Number(searchParams.get('status') ?? 200))
    .end(JSON.stringify({ traceparent, tracestate, baggage }));
}

function passOn(request, response) {
  http.get(NEXT + request.url, { agent }, (answer) => {
    response.writeHead(answer.statusCode);
    answer.pipe(response);
  });
}

const server = http.createServer(NEXT ? passOn : last);
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
