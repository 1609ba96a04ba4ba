'use strict';

const { Kafka, logLevel, Partitioners } = require('kafkajs');
const { required } = require('../process/settings.js');
const { waitFor } = require('./waiting.js');

const TOPICS = ['orders', 'receipts'];
const LEVELS = { [logLevel.ERROR]: 'error', [logLevel.WARN]: 'warn' };

/** Connects to the Kafka of KAFKA_BROKERS and creates the shop's topics; waits for one that is still starting. */
async function openKafka(name, { log, signal }) {
  const kafka = new Kafka({
    clientId: name,
    brokers: required('KAFKA_BROKERS').split(','),
    connectionTimeout: 1_000,
    retry: { initialRetryTime: 100, retries: 3 },
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ level, log: { message, error } }) =>
        log[LEVELS[level] ?? 'info']({ reason: error }, `Kafka: ${message}`),
  });
  const createTopics = async () => {
    const admin = kafka.admin();
    try {
      await admin.connect();
      await admin.createTopics({ topics: TOPICS.map((topic) => ({ topic, numPartitions: 1 })) });
    } finally {
      await admin.disconnect();
    }
  };
  await waitFor('Kafka', createTopics, { log, signal });
  return kafka;
}

/** A connected producer. */
async function openProducer(kafka) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  return producer;
}

/** A connected consumer of the topic `orders`, from its beginning on. */
async function openOrders(kafka, options) {
  // A Kafka that has just started takes some seconds to be ready for groups.
  const consumer = kafka.consumer({ ...options, retry: { initialRetryTime: 200, retries: 10 } });
  await consumer.connect();
  await consumer.subscribe({ topic: 'orders', fromBeginning: true });
  return consumer;
}

module.exports = { openKafka, openProducer, openOrders };
