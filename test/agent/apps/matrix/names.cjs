// node names.cjs: one request has a call made by each client.
const clients = require('./clients.cjs');
const express = require('express');

async function run() {
  const works = [];
  for (const [name, make] of Object.entries(clients)) works.push([name, await make((id) => require(id))]);
  const app = express();
  app.get('/items/:id', async (request, response) => {
    for (const [, work] of works) await work();
    response.end('done');
  });
  const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
}
run();
