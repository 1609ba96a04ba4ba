const http = require('http');

// Asks the service NEXT, by node:http, or by fetch where the path begins with /fetch; /express loads express then, and not before.
const { NEXT } = process.env;
const server = http.createServer((request, response) => {
  response.setHeader('x-shard', '7');
  if (request.url.startsWith('/express')) {
    require('express')()
      .use((_request, _response, next) => next())
      .get('/express/:id', (_request, answer) => answer.send('ok'))(request, response);
  } else if (request.url.startsWith('/fetch')) {
    fetch(NEXT + request.url, { headers: { 'x-tenant': 'by fetch' } }).then(
      (answer) => answer.text().then((text) => response.end(text)),
      (error) => response.writeHead(502).end(String(error)),
    );
  } else {
    http.get(NEXT + request.url, { headers: { 'x-tenant': 'by http' } }, (answer) => answer.pipe(response));
  }
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
