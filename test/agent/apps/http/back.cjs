// node back.cjs: the server that is called. Over TLS with KEY and CERT in the environment.
const fastify = require('fastify');
const { connect } = require('node:net');

const { KEY, CERT } = process.env;
const app = fastify(KEY ? { https: { key: KEY, cert: CERT } } : {});
app.get('/items/:id', async (request) => ({ from: request.socket.remotePort }));
app.post('/items', async (request, reply) => reply.code(201).send());
app.get('/broken', async (request, reply) => reply.code(503).send());
// Is never answered; who asked is told on a port of its own, if there is one, that it has arrived.
app.get('/silent/:port', (request) => {
  if (request.params.port !== '0') connect(Number(request.params.port), '127.0.0.1').end();
});
app.listen({ port: 0, host: '127.0.0.1' }).then(() => console.log(`listening ${app.server.address().port}`));
