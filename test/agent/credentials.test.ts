import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Pki } from '../servers/pki.ts';
import { writeMounted } from './mounted.ts';
import { decodeTraces } from './otlp.ts';
import { ROOT, startServer } from './process.ts';

let scratch: string;
let pki: Pki;

const until = async (what: string, condition: () => boolean) => {
  for (const end = Date.now() + 15_000; !condition();) {
    if (Date.now() > end) throw new Error(what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tracing-tls-'));
  pki = new Pki(scratch);
  for (const [n, ca] of ['ca', 'ca2'].entries()) {
    pki.authority(ca);
    for (const name of [`server-${n + 1}`, `client-${n + 1}`]) pki.issue(name, ca, 'IP:127.0.0.1');
  }
}, 60_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.each(['http/protobuf', 'grpc'] as const)('mutual TLS over %s', (protocol) => {
  it('waits for files that are missing, and takes up renewed ones under load without a restart', async () => {
    const spans: string[] = [];
    const clients = new Set<string>();
    const keys = new Set<unknown>();
    const take = (socket: TLSSocket, body: Buffer, key: unknown) => {
      spans.push(...decodeTraces(body).map(({ spanId }) => spanId));
      clients.add(String(socket.getPeerCertificate().subject?.CN));
      keys.add(key);
    };
    const material = (name: string, ca: string) => ({
      key: pki.read(`${name}.key`),
      cert: pki.read(`${name}.crt`),
      ca: pki.read(`${ca}.crt`),
    });
    const options = { ...material('server-1', 'ca'), requestCert: true, rejectUnauthorized: true };
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
      'config-map/ca/ca.crt': pki.read(`${ca}.crt`),
      'secret/client/tls.crt': pki.read(`${client}.crt`),
      'secret/client/tls.key': pki.read(`${client}.key`),
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
      expect(spans).toEqual([]);
      writeMounted(credentials, files('client-1', 'ca', 'one'));
      await until('nothing arrives once the files are there', () => clients.has('client-1') && keys.has('one'));
      // For a second both sides do not fit: what cannot be sent meanwhile waits.
      receiver.setSecureContext(material('server-2', 'ca2'));
      await new Promise((resolve) => setTimeout(resolve, 1000));
      writeMounted(credentials, files('client-2', 'ca2', 'two'));
      await until('renewed files are not taken up', () => clients.has('client-2') && keys.has('two'));
      stopped = true;
      await load;
      await until('spans are lost', () => new Set(spans).size === requests);
    } finally {
      stopped = true;
      await load;
      await server.stop();
      if ('closeAllConnections' in receiver) receiver.closeAllConnections();
      receiver.close();
    }
    expect(requests).toBeGreaterThan(20);
    expect(spans.length).toBe(requests);
  }, 60_000);
});
