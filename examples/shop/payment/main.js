'use strict';

const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const { HealthImplementation } = require('grpc-health-check');
const { createLog } = require('../log.js');
const { runService } = require('../service.js');
const { listenAddress } = require('../settings.js');
const { createHandlers } = require('./handlers.js');

const log = createLog('payment');
const { shop } = grpc.loadPackageDefinition(protoLoader.loadSync(path.join(__dirname, '../payment.proto')));

runService(log, async () => {
  const address = listenAddress(50051);
  const server = new grpc.Server();
  const health = new HealthImplementation({ '': 'SERVING' });
  health.addToServer(server);
  server.addService(shop.payment.v1.Payment.service, createHandlers(log));
  await new Promise((resolve, reject) => {
    server.bindAsync(`${address.host}:${address.port}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  log.info(address, 'listening');
  return () => {
    health.setStatus('', 'NOT_SERVING');
    return new Promise((resolve, reject) => {
      server.tryShutdown((error) => (error ? reject(error) : resolve()));
    });
  };
});
