// node front.mjs BACK SECURE: calls a server in every way there is, one after the other, in one request.
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { createServer } from 'node:net';
import Fastify from 'fastify';
import { request as undici } from 'undici';

const [back, secure] = process.argv.slice(2);
const keepAlive = new http.Agent({ keepAlive: true, maxSockets: 1 });
// A port on which nobody listens any more; fetch refuses the well-known ones.
const gone = createServer().listen(0, '127.0.0.1');
await once(gone, 'listening');
const NOBODY = `http://127.0.0.1:${gone.address().port}/items/1`;
gone.close();

async function get(url, options = {}) {
  const [response] = await once((url.startsWith('https') ? https : http).get(url, options), 'response');
  let text = '';
  for await (const part of response) text += part;
  return { status: response.statusCode, text };
}

/** Calls what does not answer, and gives up when it has arrived. */
async function giveUp(call) {
  const controller = new AbortController();
  const arrived = createServer((socket) => {
    socket.on('error', () => undefined).destroy();
    controller.abort();
  }).listen(0, '127.0.0.1');
  await once(arrived, 'listening');
  try {
    return await call(`${back}/silent/${arrived.address().port}`, { signal: controller.signal });
  } finally {
    arrived.close();
  }
}

const CALLS = {
  fetch: async () => (await fetch(`${back}/items/1?page=2&sig=verysecret`)).text(),
  http: () => get(`${back}/items/1?page=2&sig=verysecret`),
  https: () => get(`${secure}/items/1`),
  undici: async () => (await undici(`${back}/items/1?page=2&sig=verysecret`)).body.text(),
  'fetch-post': async () => (await fetch(`${back}/items`, { method: 'POST', body: 'tea' })).status,
  'http-post': async () => {
    const request = http
      .request(`${back}/items`, { method: 'POST', headers: { 'content-type': 'text/plain' } })
      .end('tea');
    const [response] = await once(request, 'response');
    return response.resume().statusCode;
  },
  'fetch-missing': async () => (await fetch(`${back}/nowhere`)).status,
  'http-missing': () => get(`${back}/nowhere`),
  'fetch-broken': async () => (await fetch(`${back}/broken`)).status,
  'http-broken': () => get(`${back}/broken`),
  'fetch-refused': () => fetch(NOBODY),
  'http-refused': () => get(NOBODY),
  'undici-refused': () => undici(NOBODY),
  'fetch-aborted': () => giveUp(fetch),
  'http-aborted': () => giveUp(get),
  'fetch-timeout': () => fetch(`${back}/silent/0`, { signal: AbortSignal.timeout(300) }),
  'keep-alive': async () => {
    const first = await get(`${back}/items/1`, { agent: keepAlive });
    const second = await get(`${back}/items/2`, { agent: keepAlive });
    return first.text === second.text ? 'one connection' : 'two connections';
  },
};

const app = Fastify();
app.get('/calls/:how', async () => {
  const results = {};
  for (const [how, call] of Object.entries(CALLS))
    results[how] = await call().catch((error) =>
      /^(Abort|Timeout)/.test(error.name) ? error.name : (error.cause ?? error).code,
    );
  return results;
});
await app.listen({ port: 0, host: '127.0.0.1' });
console.log(`listening ${app.server.address().port}`);
