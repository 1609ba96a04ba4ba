// node producer.mjs BROKER: each request sends messages in one of the ways there are; /stock is for who consumes them.
import { createServer } from 'node:http';
import { Kafka, logLevel } from 'kafkajs';

const kafka = new Kafka({ brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
const admin = kafka.admin();
await admin.connect();
const topics = ['orders', 'payments', 'audits'].map((topic) => ({ topic, numPartitions: 1 }));
await admin.createTopics({ topics, waitForLeaders: true });
await admin.disconnect();
const producer = kafka.producer();
const careful = kafka.producer({ transactionalId: 'careful', maxInFlightRequests: 1, idempotent: true });
await Promise.all([producer.connect(), careful.connect()]);

async function transaction(finish) {
  const open = await careful.transaction();
  await open.send({ topic: 'audits', messages: [{ value: 'in a transaction' }] });
  await open[finish]();
}
const WAYS = {
  '/order': () => producer.send({ topic: 'orders', messages: [{ key: 'tea', value: 'one' }] }),
  '/orders': () => producer.send({ topic: 'orders', messages: [{ value: 'two' }, { value: 'three' }] }),
  '/payment': () => producer.send({ topic: 'payments', messages: [{ value: 'good' }] }),
  '/bad-payment': () => producer.send({ topic: 'payments', messages: [{ value: 'bad' }] }),
  '/batch': () =>
    producer.sendBatch({
      topicMessages: [
        { topic: 'orders', messages: [{ value: 'four' }] },
        { topic: 'audits', messages: [{ value: 'five', partition: 0 }] },
      ],
    }),
  '/commit': () => transaction('commit'),
  '/abort': () => transaction('abort'),
  '/nowhere': () => producer.send({ topic: 'not a topic', messages: [{ value: 'lost' }] }).catch(() => undefined),
  '/stock': () => undefined,
};

const server = createServer(async (request, response) => {
  await WAYS[request.url]();
  response.end('done');
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
