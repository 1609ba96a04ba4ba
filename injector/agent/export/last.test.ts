import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sendLast } from './last.ts';

// In a thread of its own: while a last batch is sent nothing else runs in this one.
const RECEIVERS = `
const { parentPort } = require('node:worker_threads');
const tell = (headers, chunks) => parentPort.postMessage({ headers: { ...headers }, body: Buffer.concat(chunks).toString('latin1') });
const plain = require('node:http').createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk)).on('end', () => { tell({ ...request.headers, url: request.url }, chunks); response.end(); });
});
const grpc = require('node:http2').createServer().on('stream', (stream, headers) => {
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk)).on('error', () => {}).on('end', () => {
    tell(headers, chunks);
    stream.respond({ 'grpc-status': '0' }, { endStream: true });
  });
});
plain.listen(0, '127.0.0.1', () => grpc.listen(0, '127.0.0.1', () => parentPort.postMessage([plain.address().port, grpc.address().port])));
`;

interface Received {
  headers: Record<string, string>;
  body: string;
}
let receivers: Worker;
let ports: [number, number];
beforeAll(async () => {
  receivers = new Worker(RECEIVERS, { eval: true });
  [ports] = (await once(receivers, 'message')) as [[number, number]];
});
afterAll(() => void receivers.terminate());

// Longer than a receiver takes before it has said that it takes more, and than one frame of HTTP/2.
const body = Buffer.from(Array.from({ length: 30_000 }, (_, i) => `${i} `).join(''));
// Longer than fits one byte of its length.
const token = 'x'.repeat(300);

it.each([false, true])('gives a receiver all of a large batch at once (gRPC: %s)', async (grpc) => {
  const message = once(receivers, 'message') as Promise<[Received]>;
  sendLast({
    url: new URL(`http://collector.example:${ports[grpc ? 1 : 0]}`),
    grpc,
    path: '/v1/traces?a=b',
    headers: { 'X-Token': token },
    body,
    address: '127.0.0.1',
    secure: undefined,
    deadline: performance.now() + 20_000,
  });
  const [received] = await message;
  expect(received.body).toBe(body.toString());
  expect(received.headers).toMatchObject({
    'x-token': token,
    [grpc ? ':path' : 'url']: '/v1/traces?a=b',
    [grpc ? ':authority' : 'host']: `collector.example:${ports[grpc ? 1 : 0]}`,
  });
});

it('throws nothing where there is nobody', () => {
  const batch = { path: '/', headers: {}, body, secure: undefined, deadline: performance.now() + 20_000 };
  for (const address of [undefined, '127.0.0.1'])
    for (const grpc of [false, true]) sendLast({ ...batch, url: new URL('http://a.example:9'), grpc, address });
});
