import type http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServingCertificate } from './certificates.ts';
import { issue } from './certificates.ts';
import type { ServeOptions, TlsServer } from './tls-server.ts';
import { serve } from './tls-server.ts';

const NAMES = ['localhost'];
const QUICK = { handshake: 300, headers: 300, request: 600 };
let certificate: ServingCertificate;
let server: TlsServer | undefined;

/** Called when a request has come. */
let onRequest = () => {};

/** Answers `ok` when the whole body has come; `/slow` a while later. */
function handler(request: http.IncomingMessage, response: http.ServerResponse): void {
  onRequest();
  request.resume().on('end', () => setTimeout(() => response.end('ok'), request.url === '/slow' ? 200 : 0));
}

async function start(options: Partial<ServeOptions> = {}): Promise<TlsServer> {
  server = await serve(handler, { port: 0, host: '127.0.0.1', certificate, ...options });
  return server;
}

function agent(): https.Agent {
  return new https.Agent({ keepAlive: true, maxSockets: 1, ca: certificate.ca, servername: 'localhost' });
}

interface Answer {
  connection: string | undefined;
  serial: string;
  port: number | undefined;
}

function ask(through: https.Agent, path = '/', body = '{}'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: server!.port, path, method: 'POST', agent: through };
    const request = https.request(options, (response) => {
      const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
      const port = response.socket.localPort;
      response
        .resume()
        .on('end', () => resolve({ connection: response.headers.connection, serial: serialNumber, port }));
    });
    request.on('error', reject).end(body);
  });
}

/** Asks for something slow, and resolves to its answer to come once the request has reached the server. */
async function askSlowly(): Promise<{ answer: Promise<Answer> }> {
  const arrived = new Promise<void>((resolve) => (onRequest = resolve));
  const answer = ask(agent(), '/slow');
  await Promise.race([arrived, answer]);
  return { answer };
}

/** Resolves to what came until the connection was closed, and how long that took. */
async function untilClosed(socket: net.Socket): Promise<{ text: string; milliseconds: number }> {
  const began = performance.now();
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString())).on('error', () => {});
  await new Promise((resolve) => socket.once('close', resolve));
  return { text, milliseconds: performance.now() - began };
}

const connectTls = (options: tls.ConnectionOptions = {}) =>
  new Promise<TLSSocket>((resolve, reject) => {
    const socket = tls.connect(
      { port: server!.port, host: '127.0.0.1', ca: certificate.ca, servername: 'localhost', ...options },
      () => resolve(socket),
    );
    socket.once('error', reject);
  });

beforeAll(async () => {
  certificate = await issue(NAMES, Date.now());
});
afterEach(async () => {
  await server?.close(0);
  server = undefined;
});

describe('a TLS server', () => {
  it('takes a new certificate without dropping a connection', async () => {
    await start();
    const first = agent();
    const before = await ask(first);
    server!.setCertificate(await issue(NAMES, Date.now(), certificate));
    const same = await ask(first);
    expect(same).toEqual(before);
    const second = agent();
    expect((await ask(second)).serial).not.toBe(before.serial);
    first.destroy();
    second.destroy();
  });

  it('speaks TLS 1.2 and 1.3, nothing older', async () => {
    await start();
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await connectTls({ minVersion: version, maxVersion: version });
      expect(socket.getProtocol()).toBe(version);
      socket.destroy();
    }
    await expect(
      connectTls({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).rejects.toThrow(/protocol|alert/i);
  });

  it('cuts a client that does not finish its handshake', async () => {
    await start({ timeouts: QUICK });
    const { milliseconds } = await untilClosed(net.connect(server!.port, '127.0.0.1'));
    expect(milliseconds).toBeGreaterThan(200);
    expect(milliseconds).toBeLessThan(3_000);
  });

  it.each([
    ['sends nothing', ''],
    ['sends half of its headers', 'POST / HTTP/1.1\r\nhost: x\r\n'],
    ['sends half of its body', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf'],
  ])('cuts a client that %s', async (_what, text) => {
    await start({ timeouts: QUICK });
    const socket = await connectTls();
    socket.write(text);
    const closed = await untilClosed(socket);
    expect(closed.milliseconds).toBeLessThan(4_000);
    expect(closed.text).toMatch(/^(HTTP\/1.1 408|$)/);
  });

  it('keeps a connection for longer than Go clients keep it', async () => {
    await start({ timeouts: QUICK });
    const client = agent();
    const { port } = await ask(client);
    await sleep(1_500);
    expect((await ask(client)).port).toBe(port);
    client.destroy();
  });

  it('lets the longest idle connection make room when there are too many, and not one that is in use', async () => {
    await start({ maxConnections: 3 });
    const busy = agent();
    const slow = ask(busy, '/slow');
    await sleep(50);
    const idle = [agent(), agent()];
    const ports = [(await ask(idle[0]!)).port, (await ask(idle[1]!)).port];
    await ask(idle[0]!);
    const newcomer = agent();
    await ask(newcomer);
    expect((await ask(idle[0]!)).port).toBe(ports[0]);
    expect((await slow).serial).toBeTruthy();
    for (const each of [busy, newcomer, ...idle]) each.destroy();
  });
});

describe('a TLS server that is to end', () => {
  it('goes on serving, and asks clients to go elsewhere with their next request', async () => {
    await start();
    const client = agent();
    expect((await ask(client)).connection).toBe('keep-alive');
    const slow = await askSlowly();
    server!.drain();
    const last = await ask(client);
    expect(last.connection).toBe('close');
    expect((await slow.answer).connection).toBe('close');
    expect((await ask(client)).port).not.toBe(last.port);
  });

  it('answers what it has begun, closes what is idle, and takes nothing new', async () => {
    await start();
    const { port } = server!;
    const idle = await connectTls();
    const slow = await askSlowly();
    // Far longer than this test may take: it is not time that ends what is idle.
    await Promise.all([server!.close(600_000), untilClosed(idle)]);
    expect(await slow.answer).toMatchObject({ connection: 'close' });
    const refused = await new Promise<NodeJS.ErrnoException>((resolve) =>
      net.connect(port, '127.0.0.1').once('error', resolve),
    );
    expect(refused.code).toBe('ECONNREFUSED');
    server = undefined;
  });

  it('waits for nobody longer than it was told', async () => {
    await start();
    const socket = await connectTls();
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf');
    await sleep(50);
    const began = performance.now();
    await Promise.all([server!.close(300), untilClosed(socket)]);
    expect(performance.now() - began).toBeLessThan(2_000);
    server = undefined;
  });
});
