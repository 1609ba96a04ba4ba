// Servers that speak just enough of their protocols for one query; each prints NAME_PORT=port.
const http = require('http');
const net = require('net');
const mysql = require('mysql2');
const { BSON } = require('mongodb');

const say = (name, server) => server.listen(0, '127.0.0.1', () => console.log(`${name}_PORT=${server.address().port}`));

say(
  'PLAIN',
  http.createServer((request, response) => response.end('stock')),
);

// RESP: a command is an array of bulk strings.
say(
  'REDIS',
  net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const command of data
        .toString()
        .split(/^\*\d+\r\n/m)
        .filter(Boolean)) {
        const name = command.split('\r\n')[1].toUpperCase();
        if (name === 'INFO')
          socket.write(
            '$32\r\nredis_version:7.0.0\r\nloading:0\r\n\r\n'.replace(
              '$32',
              `$${'redis_version:7.0.0\r\nloading:0\r\n'.length}`,
            ),
          );
        else if (name === 'GET') socket.write('$1\r\n7\r\n');
        else socket.write('+OK\r\n');
      }
    });
  }),
);

const message = (type, body) => {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const READY = message('Z', Buffer.from('I'));
say(
  'PG',
  net.createServer((socket) => {
    let started = false;
    socket.on('error', () => {});
    socket.on('data', (data) => {
      if (!started) {
        started = true;
        socket.write(Buffer.concat([message('R', Buffer.alloc(4)), READY]));
        return;
      }
      // Parse, bind, describe and execute come in one packet that ends with sync.
      if (data.includes(Buffer.from('S\0\0\0\x04', 'latin1')) || data[0] === 0x51) {
        const none = Buffer.alloc(0);
        socket.write(
          Buffer.concat([
            message('1', none),
            message('2', none),
            message('n', none),
            message('C', Buffer.from('SELECT 0\0')),
            READY,
          ]),
        );
      }
    });
  }),
);

const database = mysql.createServer();
database.on('connection', (connection) => {
  connection.serverHandshake({
    protocolVersion: 10,
    serverVersion: '8.0.0',
    connectionId: 1,
    statusFlags: 2,
    characterSet: 8,
    capabilityFlags: 0xffffff & ~0x800,
  });
  connection.on('query', () => {
    connection.sequenceId = 1;
    connection.writeColumns([
      {
        catalog: 'def',
        schema: 'shop',
        table: 'items',
        orgTable: 'items',
        name: 'id',
        orgName: 'id',
        characterSet: 63,
        columnLength: 11,
        columnType: 3,
        flags: 0,
        decimals: 0,
      },
    ]);
    connection.writeTextRow([7]);
    connection.writeEof();
    connection.sequenceId = 0;
  });
  connection.on('error', () => {});
});
database.listen(0, '127.0.0.1');
database._server.once('listening', () => console.log(`MYSQL_PORT=${database._server.address().port}`));

say(
  'MONGO',
  net.createServer((socket) => {
    let pending = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      pending = Buffer.concat([pending, data]);
      while (pending.length >= 4 && pending.length >= pending.readInt32LE(0)) {
        const request = pending.subarray(0, pending.readInt32LE(0));
        pending = pending.subarray(request.length);
        const command = BSON.deserialize(request.subarray(21));
        const answer = command.hello
          ? {
              isWritablePrimary: true,
              maxWireVersion: 21,
              minWireVersion: 0,
              maxBsonObjectSize: 16777216,
              maxMessageSizeBytes: 48000000,
              maxWriteBatchSize: 100000,
              ok: 1,
            }
          : { cursor: { id: BSON.Long.ZERO, ns: 'shop.items', firstBatch: [{ id: 7 }] }, ok: 1 };
        const body = BSON.serialize(answer);
        const head = Buffer.alloc(21);
        head.writeInt32LE(21 + body.length, 0);
        head.writeInt32LE(request.readInt32LE(4), 8);
        head.writeInt32LE(2013, 12);
        socket.write(Buffer.concat([head, body]));
      }
    });
  }),
);
