// A small service that can say what it holds: `/held` collects garbage first.
const server = require('http').createServer((request, response) => {
  if (request.url === '/held') {
    globalThis.gc();
    return response.end(JSON.stringify(process.memoryUsage()));
  }
  response.end('hello');
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
