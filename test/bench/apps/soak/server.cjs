// A small service that can say what it holds: `/held` collects garbage first.
const server = require('http').createServer((request, response) => {
  if (request.url === '/held') {
    globalThis.gc();
    const young = require('v8')
      .getHeapSpaceStatistics()
      .find(({ space_name }) => space_name === 'new_space');
    return response.end(JSON.stringify({ ...process.memoryUsage(), young: young.physical_space_size }));
  }
  response.end('hello');
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
