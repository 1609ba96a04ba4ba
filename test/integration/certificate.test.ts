import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { KubeClient } from '../../operator/kube/client.ts';
import { CertificateKeeper } from '../../operator/serving/certificate.ts';
import { makeNamespace } from './api-server.ts';

const client = KubeClient.fromDefault();
const logger = pino({ level: 'silent' });
const DAY = 86_400_000;
let namespace: Awaited<ReturnType<typeof makeNamespace>>;
const configurations = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
let configuration: string;

beforeAll(async () => {
  namespace = await makeNamespace(client);
  configuration = `${namespace.name}.tracing.acme`;
  const webhook = (name: string) => ({
    name,
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    failurePolicy: 'Ignore',
    clientConfig: { service: { name: 's', namespace: namespace.name } },
    rules: [],
  });
  await client.request('POST', configurations, {
    body: {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: configuration },
      webhooks: [webhook('a.tracing.acme'), webhook('b.tracing.acme')],
    },
  });
});
afterAll(async () => {
  await client.request('DELETE', `${configurations}/${configuration}`);
  await namespace.delete();
  client.close();
});

const keeper = (now?: () => number) =>
  new CertificateKeeper(
    client,
    { namespace: namespace.name, secret: 'webhook-cert', service: 's', configuration, logger },
    now,
  );

const bundles = async () => {
  const { webhooks } = await client.request<{ webhooks: { clientConfig: { caBundle?: string } }[] }>(
    'GET',
    `${configurations}/${configuration}`,
  );
  return webhooks.map(({ clientConfig }) => Buffer.from(clientConfig.caBundle ?? '', 'base64').toString());
};

describe('the certificate keeper', () => {
  it('gives replicas that start at the same time one certificate', async () => {
    const held = await Promise.all([keeper(), keeper(), keeper()].map((replica) => replica.current()));
    expect(new Set(held.map(({ certificate }) => certificate)).size).toBe(1);
    expect(await keeper().current()).toEqual(held[0]);
  });

  it('renews under the same authority after two thirds of its life', async () => {
    const first = await keeper().current();
    const later = () => Date.now() + 21 * DAY;
    const renewed = await keeper(later).current();
    expect(renewed.ca).toBe(first.ca);
    expect(renewed.certificate).not.toBe(first.certificate);
  });

  it('replaces what somebody damaged', async () => {
    const path = `/api/v1/namespaces/${namespace.name}/secrets/webhook-cert`;
    const secret = await client.request<{ data: Record<string, string> }>('GET', path);
    await client.request('PUT', path, { body: { ...secret, data: { ...secret.data, 'tls.crt': 'bm9uc2Vuc2U=' } } });
    const held = await keeper().current();
    expect(held.certificate).toContain('BEGIN CERTIFICATE');
  });

  it('lets replicas write their authority at the same time', async () => {
    const { ca } = await keeper().current();
    await Promise.all([keeper(), keeper(), keeper(), keeper()].map((replica) => replica.publish(ca)));
    expect(await bundles()).toEqual([ca, ca]);
  });

  it('writes its authority into every webhook, and again where it was emptied', async () => {
    const { ca } = await keeper().current();
    await client.request('PATCH', `${configurations}/${configuration}`, {
      contentType: 'application/json-patch+json',
      body: [{ op: 'remove', path: '/webhooks/1/clientConfig/caBundle' }],
    });
    await keeper().publish(ca);
    expect(await bundles()).toEqual([ca, ca]);
  });
});
