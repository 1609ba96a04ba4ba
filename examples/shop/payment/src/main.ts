import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import { HealthImplementation } from 'grpc-health-check';
import { MongoClient } from 'mongodb';
import { openKafka, openProducer } from '../../backends/kafka.js';
import { createLog } from '../../process/log.js';
import { runService } from '../../process/service.js';
import { listenAddress, required } from '../../process/settings.js';
import { waitFor } from '../../backends/waiting.js';
import { Bank } from './bank.js';
import { confirmPayments } from './confirmation.js';
import { createHandlers } from './handlers.js';
import { Payments } from './payments.js';
import type { Payment } from './payments.js';

interface Definition {
  shop: { payment: { v1: { Payment: { service: grpc.ServiceDefinition } } } };
}

const PROTO = fileURLToPath(new URL('../../payment.proto', import.meta.url));
const log = createLog('payment');

runService(log, async ({ signal, onStop }) => {
  const address = listenAddress(50051);
  const bank = new Bank(required('BANK_URL'), log);
  const mongo = new MongoClient(required('MONGODB_URL'), { serverSelectionTimeoutMS: 2_000 });
  onStop(() => mongo.close());
  await waitFor('MongoDB', () => mongo.connect(), { log, signal });
  const payments = new Payments(bank, mongo.db('shop').collection<Payment>('payments'));
  const kafka = await openKafka('payment', { log, signal });
  const producer = await openProducer(kafka);
  onStop(() => producer.disconnect());
  onStop(await confirmPayments(kafka, producer, payments));

  const { shop } = grpc.loadPackageDefinition(protoLoader.loadSync(PROTO)) as unknown as Definition;
  const server = new grpc.Server();
  const health = new HealthImplementation({ '': 'SERVING' });
  health.addToServer(server);
  server.addService(shop.payment.v1.Payment.service, createHandlers(payments, log));
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${address.host}:${address.port}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  onStop(() => {
    health.setStatus('', 'NOT_SERVING');
    return new Promise<void>((resolve, reject) => {
      server.tryShutdown((error) => (error ? reject(error) : resolve()));
    });
  });
  log.info(address, 'listening');
});
