// Writes a line for each request, to where it costs nothing but the making of it.
const pino = require('pino');

const logger = pino(pino.destination({ dest: '/dev/null', sync: false }));
const server = require('http').createServer((request, response) => {
  if (request.url === '/cpu') return response.end(JSON.stringify(process.cpuUsage()));
  logger.info({ path: request.url, amount: 12.5 }, 'paid');
  response.end('hello');
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
