import { once } from 'node:events';
import tls from 'node:tls';

export interface Load {
  port: number;
  path: string;
  body: Buffer;
  /** Connections, with one request after another on each. */
  inFlight: number;
  milliseconds: number;
  /** Requests, however long that takes. */
  atLeast?: number;
}

export interface Loaded {
  /** Milliseconds of each request. */
  latencies: number[];
  seconds: number;
}

const END_OF_HEAD = '\r\n\r\n';
const LAST_CHUNK = '0\r\n\r\n';

/**
 * Sends one review over and over and waits for whole answers. It speaks HTTP by hand: an ordinary client costs more
 * processor time than the webhooks it is to measure.
 * @throws where an answer does not admit with a patch.
 */
export async function load({ port, path, body, inFlight, milliseconds, atLeast = 0 }: Load): Promise<Loaded> {
  const head = `POST ${path}?timeout=10s HTTP/1.1\r\nhost: webhook\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  const request = Buffer.concat([Buffer.from(head), body]);
  const sockets = await Promise.all(
    Array.from({ length: inFlight }, async () => {
      const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
      await once(socket, 'secureConnect');
      return socket.setNoDelay();
    }),
  );
  const latencies: number[] = [];
  const began = performance.now();
  await Promise.all(
    sockets.map(async (socket) => {
      for (let count = 0; performance.now() - began < milliseconds || latencies.length < atLeast; count++) {
        const sent = performance.now();
        socket.write(request);
        const answer = await whole(socket);
        latencies.push(performance.now() - sent);
        if (count === 0) check(answer);
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  for (const socket of sockets) socket.destroy();
  return { latencies, seconds };
}

/** The next answer on a connection. */
function whole(socket: tls.TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    let end = Infinity;
    const done = (error?: Error) => {
      socket.off('data', onData).off('error', done).off('close', onClose);
      if (error) reject(error);
      else resolve(text);
    };
    const onClose = () => done(new Error(`the connection was closed: ${text.slice(0, 200)}`));
    const onData = (part: Buffer) => {
      text += part.toString('latin1');
      if (end === Infinity) {
        const head = text.indexOf(END_OF_HEAD);
        if (head < 0) return;
        const length = /^content-length: (\d+)/im.exec(text.slice(0, head))?.[1];
        end = length === undefined ? -1 : head + END_OF_HEAD.length + Number(length);
      }
      if (end < 0 ? text.endsWith(LAST_CHUNK) : text.length >= end) done();
    };
    socket.on('data', onData).on('error', done).on('close', onClose);
  });
}

function check(answer: string): void {
  if (!/^HTTP\/1\.1 200/.test(answer) || !/"allowed":true/.test(answer) || !/"patch":"/.test(answer))
    throw new Error(`not an answer with a patch: ${answer.slice(0, 600)}`);
}
