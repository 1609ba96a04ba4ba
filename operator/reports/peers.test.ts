import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { ServingCertificate } from '../../webhook/certificates.ts';
import { issue } from '../../webhook/certificates.ts';
import { Peers } from './peers.ts';
import type { KeptReport } from './report.ts';
import { ReportStore } from './store.ts';

const REPORT: KeptReport = {
  namespace: 'shop',
  pod: 'order-1',
  podUid: 'uid-1',
  container: 'app',
  pid: 1,
  key: 'k',
  revision: 'r',
  agentVersion: '0.1.0',
  nodeVersion: '24.1.0',
  startedAt: 1,
  receivedAt: 2,
};

describe('a replica that starts', () => {
  let certificate: ServingCertificate;
  let other: https.Server;
  let port: number;
  let answers: number[];
  let peers: Peers | undefined;
  let store: ReportStore;

  const replica = (patience?: number): Peers =>
    (peers = new Peers({
      store,
      host: '127.0.0.1',
      serverName: 'localhost',
      port,
      ca: () => certificate.ca,
      token: () => 'token',
      ...(patience !== undefined && { patience }),
      logger: pino({ level: 'silent' }),
    }));

  beforeAll(async () => {
    certificate = await issue(['localhost'], Date.now());
  });
  beforeEach(async () => {
    answers = [];
    store = new ReportStore(Date.now());
    other = https.createServer({ cert: certificate.certificate, key: certificate.privateKey }, (_request, response) => {
      response.writeHead(answers.shift() ?? 200).end(JSON.stringify({ sequence: 7, reports: [REPORT] }));
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    ({ port } = other.address() as AddressInfo);
  });
  afterEach(async () => {
    peers?.stop();
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
  });

  it('has started when it knows what the others know', async () => {
    answers = [503, 401];
    await replica().start();
    expect(answers).toEqual([]);
    expect(store.of('uid-1')).toMatchObject([{ pod: 'order-1', receivedAt: 2 }]);
  });

  it('does not wait for one that is not there', async () => {
    await new Promise((resolve) => other.close(resolve));
    const began = performance.now();
    await replica().start();
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('starts without one that keeps failing', async () => {
    answers = Array<number>(100).fill(503);
    await replica(300).start();
    expect(answers.length).toBeGreaterThan(90);
    expect(store.of('uid-1')).toEqual([]);
  });
});
