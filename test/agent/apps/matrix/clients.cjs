// What a handler does: one call by each client. Ports of the servers are in the environment (fakes.cjs).
const host = '127.0.0.1';
const port = (name) => Number(process.env[`${name}_PORT`]);

module.exports = {
  none: async () => async () => 'nothing',
  async pg(load) {
    const { Pool } = await load('pg');
    const pool = new Pool({ host, port: port('PG'), user: 'u', database: 'shop', max: 1 });
    return async () => `rows ${(await pool.query('SELECT id FROM items WHERE name = $1', ['secret'])).rows.length}`;
  },
  async mysql2(load) {
    const mysql = await load('mysql2');
    const pool = mysql.createPool({ host, port: port('MYSQL'), user: 'u', database: 'shop', connectionLimit: 1 });
    return () =>
      new Promise((resolve, reject) =>
        pool.query("SELECT id FROM items WHERE name = 'secret'", (error, rows) =>
          error ? reject(error) : resolve(`rows ${rows.length}`),
        ),
      );
  },
  async ioredis(load) {
    const loaded = await load('ioredis');
    const redis = new (loaded.Redis ?? loaded)({ host, port: port('REDIS') });
    return async () => `value ${await redis.get('item:1')}`;
  },
  async redis(load) {
    const { createClient } = await load('redis');
    const client = createClient({ url: `redis://${host}:${port('REDIS')}` });
    await client.connect();
    return async () => `value ${await client.get('item:1')}`;
  },
  async mongodb(load) {
    const { MongoClient } = await load('mongodb');
    const client = new MongoClient(`mongodb://${host}:${port('MONGO')}/?directConnection=true`, { serverApi: '1' });
    await client.connect();
    return async () =>
      `items ${(await client.db('shop').collection('items').find({ name: 'secret' }).toArray()).length}`;
  },
  async grpc(load) {
    const grpc = await load('@grpc/grpc-js');
    const bytes = {
      requestSerialize: Buffer.from,
      requestDeserialize: String,
      responseSerialize: Buffer.from,
      responseDeserialize: String,
    };
    const service = { charge: { path: '/shop.Payment/Charge', requestStream: false, responseStream: false, ...bytes } };
    const server = new grpc.Server();
    server.addService(service, { charge: (call, done) => done(null, `charged ${call.request}`) });
    const bound = await new Promise((resolve, reject) =>
      server.bindAsync(`${host}:0`, grpc.ServerCredentials.createInsecure(), (error, at) =>
        error ? reject(error) : resolve(at),
      ),
    );
    const Client = grpc.makeGenericClientConstructor(service, 'Payment');
    const client = new Client(`${host}:${bound}`, grpc.credentials.createInsecure());
    return () =>
      new Promise((resolve, reject) => client.charge('7', (error, text) => (error ? reject(error) : resolve(text))));
  },
  async http(load) {
    const http = await load('node:http');
    return () =>
      new Promise((resolve, reject) =>
        http
          .get({ host, port: port('PLAIN'), path: '/stock' }, (answer) =>
            answer.resume().on('end', () => resolve('ok')),
          )
          .on('error', reject),
      );
  },
  fetch: async () => async () => (await fetch(`http://${host}:${port('PLAIN')}/stock`)).text(),
};
