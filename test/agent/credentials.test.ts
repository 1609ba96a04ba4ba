import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeMounted } from './mounted.ts';
import { decodeTraces } from './otlp.ts';
import { ROOT, startServer } from './process.ts';

let scratch: string;
const pki = (name: string) => readFileSync(join(scratch, name), 'utf8');
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: scratch, stdio: 'pipe' });

/** A certificate of the test's authority, for the host 127.0.0.1. */
function issue(name: string, ca = 'ca'): void {
  openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
    '-subj',
    `/CN=${name}`,
  );
  writeFileSync(join(scratch, `${name}.ext`), 'subjectAltName=IP:127.0.0.1');
  openssl(
    ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.crt`, '-CAkey', `${ca}.key`, '-CAcreateserial'],
    ...['-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.crt`],
  );
}
function authority(name: string): void {
  openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.crt`],
    ...['-days', '2', '-subj', `/CN=${name}`],
  );
}

const until = async (what: string, condition: () => boolean) => {
  for (const end = Date.now() + 15_000; !condition();) {
    if (Date.now() > end) throw new Error(what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tracing-tls-'));
  authority('ca');
  authority('ca2');
  issue('server');
  issue('client-1');
  issue('server2', 'ca2');
  issue('client-2', 'ca2');
}, 60_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.each(['http/protobuf', 'grpc'] as const)('mutual TLS over %s', (protocol) => {
  it('waits for files that are missing, and takes up renewed ones under load without a restart', async () => {
    let spans = 0;
    const clients = new Set<string>();
    const keys = new Set<unknown>();
    const take = (socket: TLSSocket, body: Buffer, key: unknown) => {
      spans += decodeTraces(body).length;
      clients.add(String(socket.getPeerCertificate().subject?.CN));
      keys.add(key);
    };
    const material = (name: string, ca: string) => ({
      key: pki(`${name}.key`),
      cert: pki(`${name}.crt`),
      ca: pki(`${ca}.crt`),
    });
    const options = { ...material('server', 'ca'), requestCert: true, rejectUnauthorized: true };
    const receiver: Server | Http2SecureServer =
      protocol === 'grpc'
        ? createSecureServer(options).on('stream', (stream, headers) => {
            const chunks: Buffer[] = [];
            stream.on('error', () => undefined);
            stream.on('data', (chunk: Buffer) => chunks.push(chunk));
            stream.on('end', () => {
              take(stream.session!.socket as TLSSocket, Buffer.concat(chunks).subarray(5), headers['x-key']);
              stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
              stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
              stream.end(Buffer.alloc(5));
            });
          })
        : createServer(options, (request, response) => {
            const chunks: Buffer[] = [];
            request.on('data', (chunk: Buffer) => chunks.push(chunk));
            request.on('end', () => {
              take(request.socket as TLSSocket, Buffer.concat(chunks), request.headers['x-key']);
              response.end();
            });
          });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const policy = mkdtempSync(join(scratch, 'policy-'));
    const credentials = mkdtempSync(join(scratch, 'credentials-'));
    const files = (client: string, ca: string, key: string) => ({
      'config-map/ca/ca.crt': pki(`${ca}.crt`),
      'secret/client/tls.crt': pki(`${client}.crt`),
      'secret/client/tls.key': pki(`${client}.key`),
      'secret/client/key': `${key}\n`,
    });
    const exporter = {
      ...{ name: 'default', protocol, endpoint: `https://127.0.0.1:${(receiver.address() as AddressInfo).port}` },
      headers: [{ name: 'x-key', file: 'secret/client/key' }],
      tls: { ca: 'config-map/ca/ca.crt', cert: 'secret/client/tls.crt', key: 'secret/client/tls.key' },
    };
    const spec = { sampling: { ratio: 1 }, exporters: [exporter], propagators: [], resource: { attributes: {} } };
    const document = JSON.stringify({ key: 'policy.p.json', revision: 'r', source: 's', spec });
    writeMounted(policy, { 'pod/key': 'policy.p.json', 'policy.p.json': document });
    writeMounted(credentials, {});
    const server = await startServer({
      args: [join(ROOT, 'test/agent/programs/http-server.cjs')],
      env: {
        ...{ TRACING_ACME_POLICY_DIR: policy, TRACING_ACME_CREDENTIALS_DIR: credentials },
        OTEL_BSP_SCHEDULE_DELAY: '50',
      },
    });
    let stopped = false;
    let requests = 0;
    const load = (async () => {
      while (!stopped) {
        expect((await fetch(server.url)).status).toBe(200);
        requests += 1;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    try {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect(spans).toBe(0);
      writeMounted(credentials, files('client-1', 'ca', 'one'));
      await until('nothing arrives once the files are there', () => clients.has('client-1') && keys.has('one'));
      receiver.setSecureContext(material('server2', 'ca2'));
      writeMounted(credentials, files('client-2', 'ca2', 'two'));
      await until('renewed files are not taken up', () => clients.has('client-2') && keys.has('two'));
    } finally {
      stopped = true;
      await load;
      await server.stop();
      if ('closeAllConnections' in receiver) receiver.closeAllConnections();
      receiver.close();
    }
    expect(requests).toBeGreaterThan(20);
    expect(spans).toBeGreaterThan(10);
  }, 60_000);
});
