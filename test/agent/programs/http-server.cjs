const http = require('http');

// /leaf answers, /http and /fetch call it, /waiting calls it and does not answer, /error fails, /throw throws.
const server = http.createServer((request, response) => {
  const base = `http://127.0.0.1:${server.address().port}`;
  const path = request.url.split('?')[0];
  if (path === '/http') {
    http.get(`${base}/leaf?X-Amz-Signature=secret&page=2`, (answer) => {
      answer.resume();
      answer.on('end', () => response.end('ok'));
    });
  } else if (path === '/fetch') {
    fetch(`${base}/leaf`).then(
      (answer) => answer.text().then((text) => response.end(text)),
      (error) => response.writeHead(502).end(String(error)),
    );
  } else if (path === '/waiting') {
    http.get(`${base}/leaf`, (answer) => answer.resume());
  } else if (path === '/error') {
    response.writeHead(503).end();
  } else if (path === '/body') {
    // Listeners on the request run later, from the socket: the context must still be there.
    request.on('data', () => {});
    request.on('end', () => http.get(`${base}/leaf`, (answer) => answer.resume().on('end', () => response.end('ok'))));
  } else {
    response.end('leaf');
  }
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
