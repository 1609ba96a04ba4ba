const { createServer, get } = require('node:http');

const server = createServer((request, response) => response.end('plain'));
server.listen(0, '127.0.0.1', () => {
  get({ host: '127.0.0.1', port: server.address().port }, (answer) => {
    answer.setEncoding('utf8').on('data', (text) => console.log(text));
    answer.on('end', () => server.close());
  });
});
