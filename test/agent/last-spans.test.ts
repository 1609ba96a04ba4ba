import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SUPPORTED_LINES } from '../../injector/agent/runtimes/index.ts';
import { runNode, type Ended, type Start } from './process.ts';
import { Sink } from './sink.ts';

/** No batch is ever due: what arrives was sent because the process ended. */
const NEVER = '600000';

const ASK = `const http = require('http');
const server = http.createServer((request, response) => response.end('x'));
const ask = (done) => server.listen(0, '127.0.0.1', () =>
  http.get({ host: '127.0.0.1', port: server.address().port }, (r) => r.resume().on('end', () => setImmediate(done))));
`;

const ENDINGS: { name: string; source: string; signal?: NodeJS.Signals }[] = [
  { name: 'calls process.exit right after a request', source: `ask(() => process.exit(3))` },
  { name: 'throws', source: `ask(() => { throw new Error('x') })` },
  { name: 'rejects and nobody cares', source: `ask(() => Promise.reject(new Error('x')))` },
  { name: 'ends by itself', source: `ask(() => server.close())` },
  {
    name: 'closes its server and exits when told by SIGTERM',
    source: `process.on('SIGTERM', () => server.close(() => process.exit(0))); ask(() => console.log('ready'))`,
    signal: 'SIGTERM',
  },
  {
    name: 'cleans up and sends itself the signal, as NestJS does',
    source: `process.once('SIGTERM', () => process.kill(process.pid, 'SIGTERM')); ask(() => console.log('ready'))`,
    signal: 'SIGTERM',
  },
];

let sink: Sink;
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tracing-last-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(() => sink.stop());

async function end(line: string, source: string, start: Omit<Start, 'args'>): Promise<Ended> {
  const file = join(scratch, 'program.cjs');
  writeFileSync(file, ASK + source);
  return runNode({ line, args: [file], ...start, env: { OTEL_BSP_SCHEDULE_DELAY: NEVER, ...start.env } });
}

const grpc = (url: string): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
});

describe.each(SUPPORTED_LINES)('on Node %s the last spans arrive of a process that', (line) => {
  it.each(ENDINGS)('$name', async ({ source, signal }) => {
    await end(line, source, {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url },
      during: async (child) => {
        if (signal === undefined) return;
        await new Promise((resolve) => child.stdout?.once('data', resolve));
        child.kill(signal);
      },
    });
    expect((await sink.until((spans) => spans.length >= 2)).map((span) => span.kind).sort()).toEqual([
      'client',
      'server',
    ]);
  });

  it('exits, over gRPC', async () => {
    await end(line, `ask(() => process.exit(0))`, { env: grpc(sink.grpcUrl) });
    expect(await sink.until((spans) => spans.length >= 2)).toHaveLength(2);
  });
});

describe('over TLS', () => {
  let secure: Sink;
  let certificate: string;
  beforeAll(async () => {
    certificate = join(scratch, 'cert.pem');
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', join(scratch, 'key.pem'), '-out', certificate],
        ...['-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ],
      { stdio: 'pipe' },
    );
    const read = (file: string): string => readFileSync(file, 'utf8');
    secure = await Sink.start({ key: read(join(scratch, 'key.pem')), cert: read(certificate) });
  });
  afterAll(() => secure.stop());

  it.each(SUPPORTED_LINES.flatMap((line) => [`${line} http/protobuf`, `${line} grpc`]))(
    'the last spans go through a connection that is open: Node %s',
    async (which) => {
      const [line = '', protocol = ''] = which.split(' ');
      const before = secure.spans.length;
      const exits = `process.on('SIGUSR2', () => ask(() => process.exit(0))); ask(() => server.close(() => console.log('ready'))); setInterval(() => {}, 1000)`;
      const ended = await end(line, exits, {
        env: {
          ...grpc(protocol === 'grpc' ? secure.grpcUrl : secure.url),
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          NODE_EXTRA_CA_CERTS: certificate,
          OTEL_BSP_SCHEDULE_DELAY: '500',
        },
        during: async (child) => {
          await secure.until((spans) => spans.length >= before + 2);
          child.kill('SIGUSR2');
        },
      });
      expect(ended).toMatchObject({ code: 0, stdout: 'ready\n', stderr: '' });
      expect(await secure.until((spans) => spans.length >= before + 4)).toHaveLength(before + 4);
    },
  );
});

describe('a process that exits and cannot send its last spans ends all the same', () => {
  it.each([
    ['where nobody answers', () => sink.url],
    ['where nobody listens', () => 'http://127.0.0.1:9'],
    ['where nobody is', () => 'http://203.0.113.1:4318'],
    ['where a name leads nowhere', () => 'http://collector.invalid:4318'],
    ['over TLS, before it was connected', () => 'https://127.0.0.1:9'],
  ])('%s', async (_name, endpoint) => {
    sink.status = 0;
    const ended = await end('24', `ask(() => process.exit(3))`, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint() } });
    expect(ended).toMatchObject({ code: 3, signal: null, stdout: '', stderr: '' });
  });
});
