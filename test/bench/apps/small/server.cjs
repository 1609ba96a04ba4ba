const server = require('http').createServer((request, response) => {
  response.end(request.url === '/cpu' ? JSON.stringify(process.cpuUsage()) : 'hello');
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
