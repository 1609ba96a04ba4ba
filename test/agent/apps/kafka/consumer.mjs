// node consumer.mjs BROKER PRODUCER: takes payments one by one, of which a bad one fails once, then orders in a batch.
import { Kafka, logLevel } from 'kafkajs';

const [broker, producer] = process.argv.slice(2);
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
const ask = async () => (await fetch(`${producer}/stock`)).text();

async function consume(groupId, topic, handlers) {
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run(handlers);
}

let failures = 0;
const paid = new Promise((resolve) => {
  consume('accounting', 'payments', {
    // Not async on purpose: it throws at once.
    eachMessage: ({ message }) => {
      const isBad = message.value.toString() === 'bad';
      if (isBad && failures++ === 0) throw new Error('cannot be booked');
      return ask().then(() => isBad && resolve());
    },
  });
});
await paid;
await new Promise((resolve) => {
  consume('warehouse', 'orders', { eachBatch: () => ask().then(resolve) });
});
console.log('listening 0');
