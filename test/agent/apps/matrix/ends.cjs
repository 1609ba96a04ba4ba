// node ends.cjs HOW: a request arrives, and what happens in it ends the process, or would.
const { createServer } = require('node:http');
const { connect } = require('node:net');

const later = () => new Promise((resolve) => setTimeout(resolve, 5));
const fail = () => {
  throw new RangeError('no tea');
};
const express = () => require('express')();
const plain = (handler) => createServer(handler);

const ENDS = {
  throws: () => plain(fail),
  'throws later': () => plain(() => setTimeout(fail, 5)),
  rejects: () => plain(() => later().then(fail)),
  'rejects in express 4': () => express().get('/items/:id', () => later().then(fail)),
  'rejects with what is no error': () => plain(() => later().then(() => Promise.reject('no tea'))),
  'exits where rejections are handled': () => {
    process.on('unhandledRejection', (error) => {
      console.log('saw', error.message);
      setTimeout(() => process.exit(4), 5);
    });
    return plain(() => later().then(fail));
  },
  'goes on': () => {
    const server = plain((request, response) => {
      process.once('uncaughtException', (error) => {
        console.log('saw', error.message);
        response.writeHead(500).end(() => server.close());
      });
      setTimeout(fail, 5);
    });
    return server;
  },
};

const server = ENDS[process.argv[2]]().listen(0, '127.0.0.1', () => {
  const socket = connect(server.address().port, '127.0.0.1');
  socket.on('error', () => undefined).resume();
  socket.write('GET /items/7 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
});
