const server = require('node:http').createServer((request, response) => response.end('served'));
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('serving'));
