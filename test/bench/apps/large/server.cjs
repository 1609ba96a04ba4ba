// Loads what a typical service loads and listens; it connects to nothing.
const express = require('express');
const { Pool } = require('pg');
const Redis = require('ioredis');
const { Kafka } = require('kafkajs');
const { MongoClient } = require('mongodb');

const clients = [
  new Pool({ host: '127.0.0.1', port: 9 }),
  new Redis({ host: '127.0.0.1', port: 9, lazyConnect: true }),
  new Kafka({ clientId: 'bench', brokers: ['127.0.0.1:9'] }).producer(),
  new MongoClient('mongodb://127.0.0.1:9'),
];
const app = express();
app.get('/', (request, response) => response.send(`hello ${clients.length}`));
app.get('/cpu', (request, response) => response.json(process.cpuUsage()));
const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
