// Two majors of one library in one process, as when an app has one and a library of its has the other.
const { createServer, get } = require('node:http');
const first = require('router')();
const second = require('express')();

first.get('/first', (request, response) => response.end('first'));
second.get('/second', (request, response) => response.end('second'));
const server = createServer((request, response) =>
  request.url === '/first' ? first(request, response, () => response.end()) : second(request, response),
);

function ask(path, next) {
  get({ host: '127.0.0.1', port: server.address().port, path, agent: false }, (answer) => {
    answer.setEncoding('utf8').on('data', (text) => console.log(text));
    answer.on('end', next);
  });
}
server.listen(0, '127.0.0.1', () => ask('/first', () => ask('/second', () => server.close())));
