const assert = require('node:assert');
const { createServer } = require('node:http');

it('asks', async () => {
  const server = createServer((request, response) => response.end('x')).listen(0);
  const answer = await fetch(`http://127.0.0.1:${server.address().port}`);
  assert.equal(await answer.text(), 'x');
  server.close();
});
