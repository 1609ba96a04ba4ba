import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { issue } from '../../../webhook/certificates.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { installOperator, OPERATOR } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { withFreshOperator, untilUsable } from '../installation.ts';
import { nodePod } from '../node-pod.ts';

const CHART = join(resolve(import.meta.dirname, '../../..'), 'charts/tracing-operator');
const THEIRS = 'instrumentation.opentelemetry.io/inject-nodejs';
/** Stands in for opentelemetry-operator: marks each pod that asks, itself or by its namespace, which here always does. */
const PEER = `const https = require('https'), fs = require('fs');
const [cert, key] = ['tls.crt', 'tls.key'].map((name) => fs.readFileSync('/certificate/' + name));
https.createServer({ cert, key }, async (q, s) => { let text = ''; for await (const part of q) text += part;
  const { uid, object: { metadata } } = JSON.parse(text).request;
  const asks = (metadata.annotations?.['${THEIRS}'] || 'true').toLowerCase() !== 'false';
  const value = { ...metadata.annotations, 'example.com/peer': 'injected' };
  const patch = Buffer.from(JSON.stringify([{ op: 'add', path: '/metadata/annotations', value }])).toString('base64');
  s.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview',
    response: { uid, allowed: true, ...(asks && { patchType: 'JSONPatch', patch }) } })); }).listen(8443)`;

/** Two operators in one cluster, and namespaces that go from one to the other and back without a change to what is in them. */
describe("opentelemetry-operator's pods", () => {
  const id = randomBytes(3).toString('hex');
  const namespace = `taken-${id}`;
  const other = `left-${id}`;
  const peer = `peer-${id}`;
  let cluster: Cluster;
  let images: Images;
  let made = 0;
  const kubectl = (...args: string[]) => cluster.run('kubectl', args);
  const apply = (where: string, ...items: unknown[]) =>
    cluster.run('kubectl', ['--namespace', where, 'apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
  const takeOver = (...namespaces: string[]) =>
    cluster.run('helm', [
      ...['upgrade', OPERATOR.release, CHART, '--namespace', OPERATOR.namespace, '--reuse-values', '--wait'],
      ...['--set-json', `takeOver.namespaces=${JSON.stringify(namespaces)}`],
    ]);

  /** Makes a pod that nobody runs, and says who has it. */
  async function makes(where: string, annotations: Record<string, string>): Promise<string[]> {
    const pod = nodePod(images.shop.ref, `pod-${++made}`, { annotations, spec: { schedulerName: 'nobody' } });
    await apply(where, pod);
    const { metadata, spec } = JSON.parse(await kubectl('-n', where, 'get', 'pod', `pod-${made}`, '-o', 'json')) as {
      metadata: { annotations?: Record<string, string> };
      spec: { initContainers?: { name: string }[] };
    };
    const ours = spec.initContainers?.some(({ name }) => name === 'tracing-acme-agent') ?? false;
    const theirs = metadata.annotations?.['example.com/peer'] === 'injected';
    return [...(ours ? ['ours'] : []), ...(theirs ? ['theirs'] : [])];
  }
  /** Who has pods from now on: the API server hears of a changed webhook a moment later. */
  const comesTo = (where: string, who: string, annotations: Record<string, string>) =>
    until(`pods of ${where} do not come to be ${who}`, 30_000, async () => {
      return (await makes(where, annotations)).join() === who;
    });

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    for (const name of [namespace, other, peer]) await kubectl('create', 'namespace', name);
    for (const name of [namespace, other, peer]) await untilUsable(cluster, name, 30_000);
    const { ca, certificate, privateKey } = await issue([`peer.${peer}.svc`], Date.now());
    const volumes = [{ name: 'certificate', secret: { secretName: 'certificate' } }];
    const volumeMounts = [{ name: 'certificate', mountPath: '/certificate' }];
    await apply(
      peer,
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'certificate' },
        stringData: { 'tls.crt': certificate, 'tls.key': privateKey },
      },
      nodePod(images.shop.ref, 'peer', {
        container: { command: ['node', '-e', PEER], volumeMounts, readinessProbe: { tcpSocket: { port: 8443 } } },
        spec: { volumes },
      }),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'peer' },
        spec: { selector: { app: 'peer' }, ports: [{ port: 443, targetPort: 8443 }] },
      },
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        // The name that its chart gives it.
        metadata: { name: `opentelemetry-operator-mutation-${id}` },
        webhooks: [
          {
            name: 'mpod.kb.io',
            admissionReviewVersions: ['v1'],
            sideEffects: 'None',
            failurePolicy: 'Ignore',
            clientConfig: {
              service: { namespace: peer, name: 'peer' },
              caBundle: Buffer.from(ca).toString('base64'),
            },
            rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
            namespaceSelector: {
              matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: [namespace, other] }],
            },
          },
        ],
      },
    );
    await kubectl('-n', peer, 'wait', 'pod/peer', '--for=condition=Ready', '--timeout=90s');
    await comesTo(namespace, 'theirs', { [THEIRS]: 'true' });
  }, 240_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'mutatingwebhookconfiguration', `opentelemetry-operator-mutation-${id}`], {
      tolerant: true,
    });
    await cluster.run('kubectl', ['delete', 'namespace', namespace, other, peer, '--wait=false'], { tolerant: true });
    await installOperator(cluster, images);
  }, 120_000);

  it('are theirs as long as no namespace is taken over, whatever they say to us', async () => {
    expect(await makes(namespace, { [THEIRS]: 'my-instrumentation', 'tracing.acme/inject': 'true' })).toEqual([
      'theirs',
    ]);
  });

  it('are ours, all of them and nobody else’s, in a namespace that is taken over', async () => {
    await takeOver(namespace);
    await comesTo(namespace, 'ours', { [THEIRS]: 'true' });
    expect(await makes(namespace, { [THEIRS]: 'my-instrumentation' })).toEqual(['ours']);
    expect(await makes(namespace, { [THEIRS]: 'true', 'tracing.acme/inject': 'true' })).toEqual(['ours']);
    // By its own word a pod stays with them, and so does every other namespace.
    expect(await makes(namespace, { [THEIRS]: 'true', 'tracing.acme/inject': 'false' })).toEqual(['theirs']);
    expect(await makes(other, { [THEIRS]: 'true' })).toEqual(['theirs']);
  }, 120_000);

  it('are ours where it is the namespace that is annotated', async () => {
    await kubectl('annotate', 'namespace', namespace, `${THEIRS}=true`);
    await comesTo(namespace, 'ours', {});
    expect(await makes(namespace, { [THEIRS]: 'false' })).toEqual([]);
  }, 60_000);

  it('say who has them, and say it to nobody but the pod: a Deployment stays as it was written', async () => {
    const { spec } = nodePod(images.shop.ref, 'web', { spec: { schedulerName: 'nobody' } });
    const { terminationGracePeriodSeconds: _seconds, ...rest } = spec;
    const metadata = { labels: { app: 'web' }, annotations: { [THEIRS]: 'true' } };
    await apply(namespace, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { selector: { matchLabels: { app: 'web' } }, template: { metadata, spec: rest } },
    });
    const annotation = (name: string) => `{.metadata.annotations.${name.replaceAll('.', '\\.')}}`;
    const pod = () =>
      kubectl(
        ...['-n', namespace, 'get', 'pods', '-l', 'app=web', '-o'],
        `jsonpath={range .items[*]}${annotation(THEIRS)} ${annotation('tracing.acme/status')}{end}`,
      );
    await until('the Deployment has no pod', 30_000, async () => (await pod()) !== '');
    expect(await pod()).toBe('false {"injected":["app"]}');
    const template = ['get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.metadata.annotations}'];
    expect(JSON.parse(await kubectl('-n', namespace, ...template))).toEqual({ [THEIRS]: 'true' });
  }, 60_000);

  it('are theirs again when the namespace is given back', async () => {
    await takeOver();
    await comesTo(namespace, 'theirs', { [THEIRS]: 'true' });
    expect(await makes(namespace, {})).toEqual(['theirs']);
  }, 120_000);
});
