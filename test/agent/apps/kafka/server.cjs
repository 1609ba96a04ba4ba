// node server.cjs BROKER TOPIC: a request has a message sent, and is answered when it has come back.
const { createServer } = require('http');
const { Kafka, logLevel } = require('kafkajs');

const [broker, topic] = process.argv.slice(2);
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
const waiting = new Map();

async function run() {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic }], waitForLeaders: true });
  await admin.disconnect();
  const producer = kafka.producer();
  const consumer = kafka.consumer({ groupId: topic });
  await Promise.all([producer.connect(), consumer.connect()]);
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => waiting.get(message.value.toString())?.() });
  const server = createServer(async (request, response) => {
    const value = request.url;
    const back = new Promise((resolve) => waiting.set(value, resolve));
    await producer.send({ topic, messages: [{ value }] });
    await back;
    response.end('came back');
  });
  server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
}
run();
