// node grpc-server.cjs: a gRPC server; one of its methods calls another, by gRPC too.
const grpc = require('@grpc/grpc-js');
const service = { ...require('./grpc-service.cjs') };
delete service.missing;

const server = new grpc.Server();
let client;
server.addService(service, {
  charge: (call, done) => client.audit(call.request, (error, text) => done(error, `charged ${call.request}, ${text}`)),
  audit: (call, done) => setImmediate(done, null, 'audited'),
  refuse: (call, done) => done({ code: grpc.status.FAILED_PRECONDITION, details: 'no money' }),
  fail: () => {
    throw new Error('a handler that throws');
  },
  break: (call, done) => done(Object.assign(new Error('no database'), { code: 'ECONNREFUSED' })),
  wait: () => undefined,
  watch: (call) => {
    call.write('one');
    if (call.request !== 'all') return;
    call.write('two');
    call.end();
  },
  collect: (call, done) => {
    const parts = [];
    call.on('data', (part) => parts.push(part)).on('end', () => done(null, parts.join('+')));
  },
  chat: (call) => {
    call.on('data', (part) => call.write(`${part}?`)).on('end', () => call.end());
  },
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  client = new (grpc.makeGenericClientConstructor(service, 'Payment'))(
    `127.0.0.1:${port}`,
    grpc.credentials.createInsecure(),
  );
  console.log(`listening ${port}`);
});
