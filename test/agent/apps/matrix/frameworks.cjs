// One route, /items/:id, in each framework; `work` is what its handler waits for. Each gives the port it listens on.
// `load` gets a package in the module system under test.
const HOST = '127.0.0.1';
const listening = (server) =>
  new Promise((resolve) => {
    if (server.listening) resolve(server.address().port);
    else server.once('listening', () => resolve(server.address().port));
  });

module.exports = {
  async http(load, work) {
    const http = await load('node:http');
    return listening(
      http
        .createServer((request, response) => {
          work().then(
            (text) => response.end(text),
            (error) => response.writeHead(500).end(error.message),
          );
        })
        .listen(0, HOST),
    );
  },
  async express(load, work) {
    const app = (await load('express'))();
    app.get('/items/:id', (request, response, next) => work().then((text) => response.send(text), next));
    return listening(app.listen(0, HOST));
  },
  async fastify(load, work, name = 'fastify') {
    const app = (await load(name))();
    app.get('/items/:id', () => work());
    await app.listen({ port: 0, host: HOST });
    return app.server.address().port;
  },
  'fastify-5': (load, work) => module.exports.fastify(load, work, 'fastify-5'),
  async koa(load, work) {
    const Koa = await load('koa');
    const Router = await load('@koa/router');
    const router = new Router();
    router.get('/items/:id', async (context) => {
      context.body = await work();
    });
    return listening(new Koa().use(router.routes()).listen(0, HOST));
  },
  async hono(load, work) {
    const { Hono } = await load('hono');
    const { serve } = await load('@hono/node-server');
    const app = new Hono().get('/items/:id', async (context) => context.text(await work()));
    return listening(serve({ fetch: app.fetch, port: 0, hostname: HOST }));
  },
  async nest(load, work) {
    await load('reflect-metadata');
    const { Controller, Get, Module } = await load('@nestjs/common');
    const { NestFactory } = await load('@nestjs/core');
    class Items {
      find() {
        return work();
      }
    }
    Get(':id')(Items.prototype, 'find', Object.getOwnPropertyDescriptor(Items.prototype, 'find'));
    Controller('items')(Items);
    class App {}
    Module({ controllers: [Items] })(App);
    const app = await NestFactory.create(App, { logger: false });
    await app.listen(0, HOST);
    return app.getHttpServer().address().port;
  },
};
