import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { JSON_PATCH, KubeClient } from '../../operator/kube/client.ts';
import { CONFIGURATIONS } from '../../operator/serving/webhook-configuration.ts';
import type { ServingCertificate } from '../../webhook/certificates.ts';
import { issue } from '../../webhook/certificates.ts';
import { until } from '../cluster/progress.ts';
import { applyCrds } from './api-server.ts';
import type { Installation } from './operator-process.ts';
import { install, OperatorProcess } from './operator-process.ts';

/** The operator looks at the files every ten seconds. */
const LOOK_MS = 60_000;
const REVIEW = JSON.stringify({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: 'u',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    namespace: 'default',
    operation: 'CREATE',
    object: { metadata: { name: 'p' }, spec: { containers: [{ name: 'app' }] } },
  },
});

/** A volume as the kubelet makes it of a Secret: what is in it changes as a whole, when one link is put over another. */
class Volume {
  readonly path = mkdtempSync(join(tmpdir(), 'certificate-'));
  #count = 0;

  write(files: Record<string, string>): void {
    const data = `..${++this.#count}`;
    mkdirSync(join(this.path, data));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.path, data, name), text);
    symlinkSync(data, join(this.path, '..next'));
    renameSync(join(this.path, '..next'), join(this.path, '..data'));
    if (this.#count > 1) return rmSync(join(this.path, `..${this.#count - 1}`), { recursive: true });
    for (const name of Object.keys(files)) symlinkSync(join('..data', name), join(this.path, name));
  }
}

const files = ({ ca, certificate, privateKey }: ServingCertificate) => ({
  'tls.crt': certificate,
  'tls.key': privateKey,
  'ca.crt': ca,
});

/** A certificate that cert-manager makes: the operator gets it as files, and its authority is written into `caBundle` by another. */
describe('a certificate that somebody else renews', () => {
  const client = KubeClient.fromDefault();
  const volume = new Volume();
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<unknown>();
  let removeCrds: () => Promise<void>;
  let installation: Installation;
  let operator: OperatorProcess;
  let host: string;
  let first: ServingCertificate;
  let second: ServingCertificate;

  /** Asks for a review over the one connection that stays open. */
  async function review(): Promise<number | undefined> {
    const request = https.request({
      ...{ host: '127.0.0.1', port: operator.webhookPort, path: '/mutate', method: 'POST', agent },
      ...{ ca: first.ca, servername: host },
    });
    request.on('socket', (socket) => sockets.add(socket));
    request.end(REVIEW);
    const [response] = (await once(request, 'response')) as [{ statusCode?: number; resume(): void }];
    response.resume();
    await once(response as never, 'end');
    return response.statusCode;
  }
  /** Whether a new connection is served under this authority. */
  async function servedUnder(ca: string): Promise<boolean> {
    const socket = tls.connect({ host: '127.0.0.1', port: operator.webhookPort, ca, servername: host });
    const trusted = await Promise.race([
      once(socket, 'secureConnect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    return trusted;
  }
  const bundle = async () => {
    const path = `${CONFIGURATIONS}/${installation.namespace}`;
    const { webhooks } = await client.request<{ webhooks: { clientConfig: { caBundle?: string } }[] }>('GET', path);
    return webhooks[0]!.clientConfig.caBundle;
  };

  beforeAll(async () => {
    removeCrds = await applyCrds(client);
    installation = await install(client);
    host = `operator.${installation.namespace}.svc`;
    first = await issue([host], Date.now());
    second = await issue([host], Date.now());
    volume.write(files(first));
    const caBundle = Buffer.from(first.ca).toString('base64');
    await client.request('PATCH', `${CONFIGURATIONS}/${installation.namespace}`, {
      contentType: JSON_PATCH,
      body: [{ op: 'add', path: '/webhooks/0/clientConfig/caBundle', value: caBundle }],
    });
    operator = new OperatorProcess(installation, volume.path);
    await operator.start();
  }, 120_000);

  afterAll(async () => {
    agent.destroy();
    await operator.end();
    await installation.remove();
    await removeCrds();
    rmSync(volume.path, { recursive: true });
    client.close();
  }, 60_000);

  it('is served from the start', async () => {
    expect(await servedUnder(first.ca)).toBe(true);
    expect(await servedUnder(second.ca)).toBe(false);
    expect(await review()).toBe(200);
  });

  it('goes on being served while what takes its place is no certificate, and that is counted', async () => {
    const errors = () => operator.metric('certwatcher_read_certificate_errors_total');
    const before = await errors();
    volume.write({ ...files(second), 'tls.key': first.privateKey });
    await until('nothing is said of it', LOOK_MS, async () => (await errors()) > before);
    expect(await servedUnder(first.ca)).toBe(true);
    expect(await review()).toBe(200);
    const log = operator.log.map((line) => JSON.stringify(line)).join('\n');
    expect(log).toContain(`the certificate in ${volume.path} cannot be served`);
  }, 90_000);

  it('is served anew to whoever connects, while a connection that is open goes on', async () => {
    volume.write(files(second));
    const answers: (number | undefined)[] = [];
    await until('the new certificate is not served', LOOK_MS, async () => {
      answers.push(await review());
      return servedUnder(second.ca);
    });
    answers.push(await review());
    expect(answers.filter((status) => status !== 200)).toEqual([]);
    // One connection for all of it, made under the first certificate.
    expect(sockets.size).toBe(1);
  }, 90_000);

  it('leaves the bundle to its owner, and needs no Secret', async () => {
    expect(await bundle()).toBe(Buffer.from(first.ca).toString('base64'));
    const { requests, writes } = { requests: operator.relay.requests, writes: operator.relay.writes() };
    expect(writes.filter(({ path }) => path.startsWith(CONFIGURATIONS))).toEqual([]);
    expect(requests.filter(({ path }) => path.includes('/secrets'))).toEqual([]);
  });
});
