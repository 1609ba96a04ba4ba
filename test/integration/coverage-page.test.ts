import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ClientCredential } from '../../operator/kube/client.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import type { WorkloadDetails } from '../../operator/page/state.ts';
import { issue } from '../../webhook/certificates.ts';
import { until } from '../cluster/progress.ts';
import { OpenPage } from '../page/open-page.ts';
import { applyCrds, makeNamespace, untilUsable } from './api-server.ts';
import type { Installation } from './operator-process.ts';
import { install, OperatorProcess, requireNoOperator } from './operator-process.ts';

const INJECTED = { 'tracing.acme/injected': 'true' };
const RBAC = '/apis/rbac.authorization.k8s.io/v1/namespaces';

/** The real operator on a real API server, which says who may see what. */
describe('the coverage page', () => {
  const client = KubeClient.fromDefault();
  const agent = new https.Agent();
  let removeCrds: () => Promise<void>;
  let installation: Installation;
  let operator: OperatorProcess;
  const namespaces: Awaited<ReturnType<typeof makeNamespace>>[] = [];
  let [shop, bank] = ['', ''];

  /** Makes a service account, which may read what the page shows in one namespace or in none, and its token. */
  async function person(name: string, mayRead?: string): Promise<string> {
    const accounts = `/api/v1/namespaces/${shop}/serviceaccounts`;
    await client.request('POST', accounts, { body: { metadata: { name } } });
    if (mayRead !== undefined) {
      const rules = [
        { apiGroups: [''], resources: ['pods', 'configmaps'], verbs: ['list'] },
        { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['list'] },
        { apiGroups: ['tracing.acme'], resources: ['tracingpolicies'], verbs: ['list'] },
      ];
      await client.request('POST', `${RBAC}/${mayRead}/roles`, { body: { metadata: { name }, rules } });
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
      const subjects = [{ kind: 'ServiceAccount', name, namespace: shop }];
      await client.request('POST', `${RBAC}/${mayRead}/rolebindings`, {
        body: { metadata: { name }, roleRef, subjects },
      });
    }
    const { status } = await client.request<{ status: { token: string } }>('POST', `${accounts}/${name}/token`, {
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3_600 } },
    });
    return status.token;
  }

  async function ask(path: string, { token, cert, key }: ClientCredential, method = 'GET'): Promise<IncomingMessage> {
    const request = https.request(`https://127.0.0.1:${operator.pagePort}${path}`, {
      ...{ method, agent, rejectUnauthorized: false },
      ...(cert && { cert, key }),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    request.on('error', () => undefined).end();
    return ((await once(request, 'response')) as [IncomingMessage])[0];
  }

  const opened = async (credential: ClientCredential): Promise<OpenPage> =>
    new OpenPage(await ask('/api/stream', credential)).complete();
  const details = (namespace: string) => `/api/workload?namespace=${namespace}&kind=StatefulSet&name=order`;
  /** A StatefulSet whose pod is never run: no node is like that. */
  const deploy = (namespace: string, name: string, labels: Record<string, string>) => {
    const annotations = { 'tracing.acme/inject': 'true' };
    const spec = { nodeSelector: { 'example.com/none': 'none' }, containers: [{ name: 'app', image: 'app:1' }] };
    const template = { metadata: { labels: { app: name, ...labels }, annotations }, spec };
    const body = {
      metadata: { name },
      spec: { serviceName: name, selector: { matchLabels: { app: name } }, template },
    };
    return client.request('POST', `/apis/apps/v1/namespaces/${namespace}/statefulsets`, { body });
  };

  beforeAll(async () => {
    await requireNoOperator(client);
    removeCrds = await applyCrds(client);
    installation = { ...(await install(client)), page: true };
    namespaces.push(await makeNamespace(client), await makeNamespace(client));
    [shop, bank] = namespaces.map(({ name }) => name) as [string, string];
    for (const name of [shop, bank]) {
      await untilUsable(client, name, 30_000);
      await deploy(name, 'order', INJECTED);
    }
    operator = new OperatorProcess(installation);
    await operator.start();
  }, 120_000);
  afterAll(async () => {
    agent.destroy();
    await operator.end();
    await Promise.all(namespaces.map((each) => each.delete()));
    await installation.remove();
    await removeCrds();
    client.close();
  }, 60_000);

  it('is for whoever the API server knows, and nobody else', async () => {
    const gone = await person('gone', shop);
    await client.request('DELETE', `/api/v1/namespaces/${shop}/serviceaccounts/gone`);
    const expected = { statusCode: 401 };
    expect(await ask('/api/stream', {})).toMatchObject(expected);
    expect(await ask('/api/stream', { token: 'made-up' })).toMatchObject(expected);
    expect(await ask('/api/stream', { token: gone })).toMatchObject(expected);
    expect(await ask(details(shop), { token: 'made-up' })).toMatchObject(expected);
    // The operator's own token is for reports, and for nothing else.
    expect(await ask('/api/stream', { token: installation.token })).toMatchObject(expected);
    // A certificate of an authority that is none of the cluster's.
    const { certificate: cert, privateKey: key } = await issue(['admin'], Date.now());
    expect(await ask('/api/stream', { cert, key })).toMatchObject(expected);
  });

  it('shows of namespaces those that a person may read, and nothing of others', async () => {
    const token = await person('of-shop', shop);
    const page = await opened({ token });
    expect(page.viewer).toEqual({ user: `system:serviceaccount:${shop}:of-shop`, all: false, policies: [] });
    expect([...page.namespaces.keys()]).toEqual([shop]);
    expect(page.namespaces.get(shop)!.workloads).toEqual([
      expect.objectContaining({ kind: 'StatefulSet', name: 'order', pods: 1, traced: 1, state: 'NoPolicy' }),
    ]);
    expect(await ask(details(shop), { token })).toMatchObject({ statusCode: 200 });
    const refused = await ask(details(bank), { token });
    expect(refused.statusCode).toBe(403);
    expect(await text(refused)).toContain(`you may not see namespace ${bank}`);

    const nobody = await opened({ token: await person('nobody') });
    expect(nobody.namespaces.size).toBe(0);
    expect(await ask(details(shop), { token: await person('nobody-else') })).toMatchObject({ statusCode: 403 });
  });

  it('knows people by their certificates as the API server does, and shows them all that they may see', async () => {
    const { cert, key } = await client.credential();
    const page = await opened({ cert, key });
    expect(page.viewer).toMatchObject({ all: true });
    expect([...page.namespaces.keys()]).toEqual(expect.arrayContaining([shop, bank]));
  });

  it('follows what happens, each for whom it is about', async () => {
    const ofShop = await opened({ token: await person('follows-shop', shop) });
    const ofBank = await opened({ token: await person('follows-bank', bank) });
    await client.request('POST', `/apis/tracing.acme/v1alpha1/namespaces/${shop}/tracingpolicies`, {
      body: {
        ...{ apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy', metadata: { name: 'default' } },
        spec: { sampling: { ratio: 0.25 }, exporters: [{ name: 'default', endpoint: 'http://collector:4318' }] },
      },
    });
    // It asks for tracing, and is made without the agent: no webhook is called for it.
    await deploy(shop, 'bare', {});
    await until('what has happened is not seen', 30_000, () => {
      const { workloads = [] } = ofShop.namespaces.get(shop) ?? {};
      const [bare, order] = ['bare', 'order'].map((name) => workloads.find((each) => each.name === name));
      return Promise.resolve(
        order?.policy === `TracingPolicy ${shop}/default` && order.ratio === 0.25 && bare?.state === 'Missing',
      );
    });
    const own = await client.credential();
    let events: WorkloadDetails['events'] = [];
    await until('no event is seen', 30_000, async () => {
      events = (JSON.parse(await text(await ask(details(shop), own))) as WorkloadDetails).events;
      return events.length > 0;
    });
    expect(events[0]).toMatchObject({ about: 'TracingPolicy default', reason: 'RestartNeeded', type: 'Warning' });
    expect(JSON.stringify([...ofBank.namespaces])).not.toContain(shop);
    expect([...ofBank.namespaces.keys()]).toEqual([bank]);
  });

  it('only reads, and is sent with what keeps other sites out', async () => {
    const { cert, key } = await client.credential();
    expect(await ask('/api/stream', { cert, key }, 'POST')).toMatchObject({ statusCode: 405 });
    const { headers } = await ask(details(shop), { cert, key });
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
    expect(headers).toMatchObject({
      ...{ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'cache-control': 'no-store' },
      'referrer-policy': 'no-referrer',
    });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });
});
