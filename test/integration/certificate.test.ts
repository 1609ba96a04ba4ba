import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { KubeClient } from '../../operator/kube/client.ts';
import { ownedBy } from '../../operator/installation.ts';
import type { OwnerReference } from '../../operator/installation.ts';
import { CertificateKeeper } from '../../operator/serving/certificate.ts';
import { WebhookConfigurationKeeper } from '../../operator/serving/webhook-configuration.ts';
import { until } from '../cluster/progress.ts';
import { makeNamespace } from './api-server.ts';

const client = KubeClient.fromDefault();
const logger = pino({ level: 'silent' });
const DAY = 86_400_000;
let namespace: Awaited<ReturnType<typeof makeNamespace>>;
const configurations = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
let configuration: string;
let manifest: { metadata: { name: string }; [key: string]: unknown };

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
  manifest = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: configuration },
    webhooks: [webhook('a.tracing.acme'), webhook('b.tracing.acme')],
  };
  await client.request('POST', configurations, { body: manifest });
  const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: configuration } };
  await client.request('POST', roles, { body: { ...role, rules: [] } });
});
afterAll(async () => {
  await client.request('DELETE', `${configurations}/${configuration}`).catch(() => {});
  await client.request('DELETE', `${roles}/${configuration}`).catch(() => {});
  await namespace.delete();
  client.close();
});

const keeper = (now?: () => number, owners: OwnerReference[] = []) =>
  new CertificateKeeper(
    client,
    { namespace: namespace.name, secret: 'webhook-cert', owners: () => owners, service: 's', logger },
    now,
  );
const publisher = () => new WebhookConfigurationKeeper(client, { manifest, owner: configuration, logger });

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
    const first = await keeper().held();
    const later = () => Date.now() + 21 * DAY;
    const renewed = await keeper(later).held();
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

  it('gives a Secret that was there before to the chart, and serves the same certificate', async () => {
    const path = `/api/v1/namespaces/${namespace.name}/secrets/webhook-cert`;
    const owner = ownedBy(await client.request('GET', `${roles}/${configuration}`));
    const before = await keeper().current();
    const held = await Promise.all(
      [keeper(undefined, [owner]), keeper(undefined, [owner])].map((each) => each.current()),
    );
    expect(held).toEqual([before, before]);
    const { metadata } = await client.request<{ metadata: { ownerReferences: object[] } }>('GET', path);
    expect(metadata.ownerReferences).toEqual([owner]);
  });

  it('makes a new authority where the Secret was deleted, which overlaps with the one before, the same for all replicas', async () => {
    const replicas = [keeper(), keeper(), keeper()];
    const before = await Promise.all(replicas.map((replica) => replica.held()));
    await client.request('DELETE', `/api/v1/namespaces/${namespace.name}/secrets/webhook-cert`);
    const after = await Promise.all(replicas.map((replica) => replica.current()));
    expect(new Set(after.map(({ certificate }) => certificate)).size).toBe(1);
    const { ca, previous } = await keeper().held();
    expect(ca).not.toBe(before[0]!.ca);
    expect(previous?.ca).toBe(before[0]!.ca);
    expect(after[0]!.authorities).toBe(`${ca.trimEnd()}\n${before[0]!.ca}`);
    // A replica that starts later knows of the overlap too.
    expect((await keeper().current()).authorities).toBe(after[0]!.authorities);
  });
});

describe('the webhook configuration', () => {
  it('is written by replicas at the same time', async () => {
    const { authorities } = await keeper().current();
    await Promise.all([1, 2, 3, 4].map(() => publisher().ensure(authorities)));
    expect(await bundles()).toEqual([authorities, authorities]);
  });

  it('gets the authorities into every webhook, and again where one was emptied', async () => {
    const { authorities } = await keeper().current();
    await client.request('PATCH', `${configurations}/${configuration}`, {
      contentType: 'application/json-patch+json',
      body: [{ op: 'remove', path: '/webhooks/1/clientConfig/caBundle' }],
    });
    await publisher().ensure(authorities);
    expect(await bundles()).toEqual([authorities, authorities]);
  });

  it('is put back as Helm made it where it was deleted, and goes with the chart', async () => {
    await client.request('DELETE', `${configurations}/${configuration}`);
    await Promise.all([1, 2].map(() => publisher().ensure('PEM')));
    expect(await bundles()).toEqual(['PEM', 'PEM']);
    const { metadata } = await client.request<{
      metadata: { managedFields: { manager: string; operation: string }[] };
    }>('GET', `${configurations}/${configuration}`);
    expect(metadata.managedFields).toContainEqual(expect.objectContaining({ manager: 'helm', operation: 'Apply' }));
    await client.request('DELETE', `${roles}/${configuration}`);
    await until('the garbage collector left it', 30_000, async () => {
      const { items } = await client.request<{ items: unknown[] }>('GET', configurations, {
        query: { fieldSelector: `metadata.name=${configuration}` },
      });
      return items.length === 0;
    });
    await publisher().ensure('PEM');
    await expect(bundles()).rejects.toThrow('NotFound');
  }, 40_000);
});
