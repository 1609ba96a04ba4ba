// node grpc-client.mjs ADDRESS: calls a gRPC server in every way there is, one after the other, in one request.
import { once } from 'node:events';
import { createServer } from 'node:http';
import grpc from '@grpc/grpc-js';
import service from './grpc-service.cjs';

const Client = grpc.makeGenericClientConstructor(service, 'Payment');
const connect = (address) => new Client(address, grpc.credentials.createInsecure());
const client = connect(process.argv[2]);
const nobody = connect('127.0.0.1:9');

const unary = (name, options = {}, to = client) =>
  new Promise((resolve) => to[name]('7', options, (error, text) => resolve(error ? grpc.status[error.code] : text)));
async function all(stream) {
  const parts = [];
  try {
    for await (const part of stream) parts.push(part);
  } catch (error) {
    parts.push(grpc.status[error.code]);
  }
  return parts;
}

const CALLS = {
  unary: () => unary('charge'),
  'server stream': () => all(client.watch('all')),
  'client stream': () =>
    new Promise((resolve) => {
      const call = client.collect((error, text) => resolve(text));
      call.write('a');
      call.end('b');
    }),
  'both stream': async () => {
    const call = client.chat();
    call.write('a');
    call.end('b');
    return all(call);
  },
  refused: () => unary('refuse'),
  thrown: () => unary('fail'),
  'of another code': () => unary('break'),
  'not implemented': () => unary('missing'),
  unavailable: () => unary('audit', {}, nobody),
  deadline: () => unary('wait', { deadline: Date.now() + 500 }),
  cancelled: async () => {
    const call = client.watch('one');
    await once(call, 'data');
    const ended = once(call, 'error');
    call.cancel();
    return grpc.status[(await ended)[0].code];
  },
};

const server = createServer(async (request, response) => {
  const results = {};
  for (const [how, call] of Object.entries(CALLS)) results[how] = await call();
  response.end(JSON.stringify(results));
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
