import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { announce } from '../cluster/progress.ts';

/** FUZZ_REQUESTS=100000 for a long run; FUZZ_SEED repeats one. */
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 10_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const AT_ONCE = 32;
/** Nobody is cut before that: the shortest of the server's times is 5 s. */
const PATIENCE_MS = 4_500;
/** Of resident memory, after as many requests again as were made before: what is kept of each would be seen. */
const GROWTH_MIB = 64;

/** https://en.wikipedia.org/wiki/Linear_congruential_generator, with the numbers of glibc. */
let state = SEED;
const random = (below: number) => (state = (state * 1103515245 + 12345) % 2 ** 31) % below;
const pick = <T>(list: readonly T[]): T => list[Math.floor((random(2 ** 30) / 2 ** 30) * list.length)]!;

const good = JSON.stringify({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: 'u',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    namespace: 'shop',
    operation: 'CREATE',
    object: {
      metadata: { name: 'p', annotations: { 'tracing.acme/inject': 'true' } },
      spec: { containers: [{ name: 'app', image: 'x', env: [{ name: 'A', value: '1' }] }] },
    },
  },
});
const JUNK = [
  'null',
  '{}',
  '[]',
  '""',
  '-1e999',
  '"\\ud800"',
  '{"a":'.repeat(50),
  '[' + '1,'.repeat(99) + '1]',
  'true',
];

/** The good review with something else in place of some of its values, or cut, or not JSON at all. */
function body(): string {
  switch (random(1000) % 5) {
    case 0:
      return pick(JUNK);
    case 1:
      return good.slice(0, random(good.length));
    case 2:
      return good.slice(0, random(good.length)) + String.fromCharCode(random(256)) + good.slice(random(good.length));
    case 3:
      return good.replace(/"[^"]*"(?=[,}\]])/g, (value) => (random(1000) % 4 === 0 ? pick(JUNK) : value));
    default:
      return good.replace(/\{[^{}]*\}|\[[^[\]]*\]/g, (value) => (random(1000) % 3 === 0 ? pick(JUNK) : value));
  }
}

let program: ChildProcess;
let port: number;
let ca: string;

/** What is left to do once a connection is closed by either side. */
const ended = (socket: net.Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.setTimeout(15_000, () => socket.destroy());
    socket
      .on('error', () => {})
      .on('data', () => {})
      .once('close', () => resolve());
  });

const agent = new https.Agent({ keepAlive: true, maxSockets: AT_ONCE });
function post(text: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, path: '/mutate', method: 'POST', ca, servername: 'localhost', agent };
    const request = https.request({ ...options, headers }, (response) => {
      let answer = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
      response.on('close', () => resolve({ status: response.statusCode ?? 0, text: answer }));
    });
    request.on('error', () => resolve({ status: 0, text: '' })).end(text);
  });
}

/** A TLS client that sends this text and ends, or just leaves. */
async function raw(text: string, leave: boolean): Promise<void> {
  const socket = tls.connect({ host: '127.0.0.1', port, ca, servername: 'localhost' });
  const over = ended(socket);
  socket.write(text, () => (leave ? socket.destroy() : socket.end()));
  await over;
}

async function attack(): Promise<void> {
  const kind = random(1000);
  if (kind < 900) {
    const began = performance.now();
    const answer = await post(body());
    // On a machine that is busy enough an honest client is slow as well, and cut.
    if (answer.status === 0 && performance.now() - began > PATIENCE_MS) return;
    // Whatever it was, it got an answer that admits, or a reason.
    if (![200, 400].includes(answer.status)) throw new Error(`a body was answered ${answer.status} ${answer.text}`);
    if (answer.status === 200 && !answer.text.includes('"allowed":true')) throw new Error(answer.text);
  } else if (kind < 930) {
    // TLS that is none, or is cut.
    const socket = net.connect(port, '127.0.0.1');
    const over = ended(socket);
    const hello = Buffer.from('16030100f8010000f40303', 'hex');
    socket.end(pick([hello, Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(random(2_000), random(256))]));
    await over;
  } else if (kind < 960) {
    const answer = await post(good, { 'x-large': 'x'.repeat(random(40_000)) });
    if (![200, 431, 0].includes(answer.status)) throw new Error(`large headers were answered ${answer.status}`);
  } else if (kind < 990) {
    const length = pick(['-1', '1e9', '10', '99999999999999999999', '7340032']);
    await raw(`POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n{"kind"`, true);
  } else {
    const method = pick(['GET', 'POST', 'BREW', '\0', 'CONNECT', 'POST /mutate HTTP/9.9\r\n']);
    await raw(`${method} ${pick(['/', '/mutate/', '/../mutate', '*', '/%'])} HTTP/1.1\r\nhost: x\r\n\r\n`, false);
  }
}

async function attacks(count: number): Promise<void> {
  let left = count;
  const one = async () => {
    while (left-- > 0) await attack();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

async function resident(): Promise<number> {
  program.send('memory');
  const [message] = (await once(program, 'message')) as [{ resident: number }];
  return message.resident;
}

describe(`the webhook under ${REQUESTS} requests that no API server would make (FUZZ_SEED=${SEED})`, () => {
  beforeAll(async () => {
    program = spawn(process.execPath, ['--expose-gc', join(import.meta.dirname, 'program.ts')], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [message] = (await once(program, 'message')) as [{ port: number; ca: string }];
    ({ port, ca } = message);
  }, 30_000);
  afterAll(() => {
    agent.destroy();
    program.kill();
  });

  it(
    'goes on, keeps nothing of them, and answers the next good one',
    async () => {
      await attacks(REQUESTS / 2);
      const before = await resident();
      await attacks(REQUESTS / 2);
      const after = await resident();
      const mebibytes = (bytes: number) => Math.round(bytes / 2 ** 20);
      announce(`  resident: ${mebibytes(before)} MiB half way, ${mebibytes(after)} MiB at the end`);
      expect(program.exitCode).toBeNull();
      expect((after - before) / 2 ** 20).toBeLessThan(GROWTH_MIB);
      const answer = await post(good);
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.text)).toMatchObject({ response: { uid: 'u', allowed: true, patchType: 'JSONPatch' } });
    },
    120_000 + REQUESTS * 20,
  );
});
