// node errors.cjs: requests that fail in several frameworks, which all answer 500.
const express = require('express');
const fastify = require('fastify-5');
const Koa = require('koa');
const Router = require('@koa/router');
const { createServer } = require('node:http');

const HOST = '127.0.0.1';
const fail = (what) => {
  throw new RangeError(`no ${what}`);
};
const later = async (what) => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  fail(what);
};
const port = (server) => new Promise((resolve) => server.once('listening', () => resolve(server.address().port)));

async function run() {
  const app = express().set('env', 'test');
  app.get('/throws', () => fail('tea'));
  app.get('/rejects', (request, response, next) => later('milk').catch(next));
  const fast = fastify();
  fast.get('/throws', () => fail('tea'));
  fast.get('/rejects', () => later('milk'));
  const koa = new Koa().on('error', () => undefined);
  const router = new Router();
  router.get('/throws', () => fail('tea')).get('/rejects', () => later('milk'));
  // Errors pass it, too.
  koa.use(async function outer(context, next) {
    await next();
  });
  koa.use(router.routes());
  // One that the app sees to itself.
  const plain = createServer((request, response) => {
    later('tea').catch(() => response.writeHead(500).end());
  });
  await fast.listen({ port: 0, host: HOST });
  const ports = {
    express: await port(app.listen(0, HOST)),
    fastify: fast.server.address().port,
    koa: await port(koa.listen(0, HOST)),
    plain: await port(plain.listen(0, HOST)),
  };
  console.log(`${JSON.stringify(ports)}\nlistening ${ports.plain}`);
}
process.env.NODE_ENV = 'test';
run();
