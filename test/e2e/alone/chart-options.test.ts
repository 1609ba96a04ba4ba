import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { readFileSync } from 'node:fs';
import { endOf, issue } from '../../../webhook/certificates.ts';
import type { ServingCertificate } from '../../../webhook/certificates.ts';
import { CHART } from '../../chart/helm.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { run } from '../../cluster/command.ts';
import { until } from '../../cluster/progress.ts';
import { prometheusOperatorCrds } from '../../cluster/prometheus-operator.ts';
import { installOperator, OPERATOR } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { untilUsable, withFreshOperator } from '../installation.ts';
import { nodePod } from '../node-pod.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');
const SERVICE = `${OPERATOR.release}.${OPERATOR.namespace}.svc`;
const SECRET = 'own-certificate';
const CONFIGURATION = `${OPERATOR.release}.${OPERATOR.namespace}`;

/** The chart with what clusters ask for beside the defaults, all of it at once: what one of them breaks shows in the others. */
describe('the chart with options', () => {
  const suffix = randomBytes(3).toString('hex');
  const reached = `reached-${suffix}`;
  const other = `other-${suffix}`;
  let cluster: Cluster;
  let images: Images;
  let crds: string[];
  let certificate: ServingCertificate;
  const kubectl = (namespace: string, ...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const operator = (...args: string[]) => kubectl(OPERATOR.namespace, ...args);
  const apply = (namespace: string, item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const upgrade = (...values: string[]) =>
    cluster.run('helm', [
      ...['upgrade', OPERATOR.release, CHART, '--namespace', OPERATOR.namespace, '--reuse-values'],
      ...['--wait', '--timeout', '240s', ...values.flatMap((value) => ['--set', value])],
    ]);
  const asking = (name: string) => nodePod(images.shop.ref, name, { annotations: { 'tracing.acme/inject': 'true' } });
  const isInjected = async (namespace: string, name: string) =>
    (await kubectl(namespace, 'get', 'pod', name, '-o', 'yaml')).includes('initContainers:');
  /** Of the plug-in as it is delivered, on either output. */
  const tracing = (...args: string[]) =>
    cluster.run('sh', ['-c', '"$0" "$@" 2>&1 || true', join(CHECKOUT, 'dist/kubectl-tracing'), ...args]);

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    crds = await prometheusOperatorCrds();
    await run(process.execPath, ['cli/build.ts'], { cwd: CHECKOUT });
    for (const namespace of [reached, other]) {
      await cluster.run('kubectl', ['create', 'namespace', namespace]);
      await untilUsable(cluster, namespace, 60_000);
    }
    certificate = await issue([SERVICE], Date.now());
    await operator('delete', 'secret', SECRET, '--ignore-not-found');
    await apply(OPERATOR.namespace, {
      ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: SECRET } },
      stringData: { 'tls.crt': certificate.certificate, 'tls.key': certificate.privateKey, 'ca.crt': certificate.ca },
    });
  }, 300_000);

  afterAll(async () => {
    // As every other test expects it.
    await installOperator(cluster, images);
    for (const file of crds ?? []) await cluster.run('kubectl', ['delete', '--ignore-not-found', '-f', file]);
    await operator('delete', 'secret', SECRET, '--ignore-not-found');
    for (const namespace of [reached, other])
      await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 300_000);

  it('is refused with the name of what is missing where the Prometheus operator is not there', async () => {
    for (const [value, kind] of [
      ['serviceMonitor.enabled=true', 'ServiceMonitor'],
      ['alerts.enabled=true', 'PrometheusRule'],
    ] as const)
      await expect(upgrade(value)).rejects.toThrow(
        new RegExp(
          `no matches for kind "${kind}" in version "monitoring.coreos.com/v1".*\\n*.*ensure CRDs are installed`,
        ),
      );
  }, 180_000);

  it('is taken by a cluster that has it, with the rules and the endpoint that the chart says', async () => {
    for (const file of crds) {
      await cluster.run('kubectl', ['apply', '--server-side', '-f', file]);
      await cluster.run('kubectl', ['wait', '--for=condition=Established', '--timeout=60s', '-f', file]);
    }
    await upgrade(
      ...['serviceMonitor.enabled=true', 'alerts.enabled=true', 'alerts.runbooks=https://example.com/alerts'],
      ...['replicas=1', 'hostNetwork=true', 'ports.webhook=19443', 'ports.reports=19444', 'ports.page=19445'],
      ...['ports.probes=18080', `webhook.namespaces={${reached}}`, `webhook.certificateSecret=${SECRET}`],
    );
    const stored = async (kind: string) =>
      JSON.parse(await operator('get', kind, OPERATOR.release, '-o', 'json')) as { spec: Record<string, unknown> };
    const service = JSON.parse(await operator('get', 'service', OPERATOR.release, '-o', 'json')) as {
      metadata: { labels: Record<string, string> };
      spec: { ports: { name: string }[] };
    };
    const monitor = (await stored('servicemonitor')).spec as {
      selector: { matchLabels: Record<string, string> };
      endpoints: { port: string; interval: string; honorLabels: boolean }[];
    };
    expect(monitor.endpoints).toEqual([{ port: 'metrics', interval: '30s', honorLabels: true }]);
    expect(service.metadata.labels).toMatchObject(monitor.selector.matchLabels);
    expect(service.spec.ports.map(({ name }) => name)).toContain('metrics');

    interface Groups {
      groups: { name: string; rules: { annotations: Record<string, string> }[] }[];
    }
    const wanted = load(readFileSync(join(CHART, 'alerts.yaml'), 'utf8')) as Groups;
    for (const rule of wanted.groups.flatMap(({ rules }) => rules) as {
      alert?: string;
      annotations: Record<string, string>;
    }[])
      rule.annotations['runbook_url'] = `https://example.com/alerts#${rule.alert!.toLowerCase()}`;
    // What the definitions do not know, the API server would have dropped.
    expect((await stored('prometheusrule')).spec).toEqual(wanted);
  }, 420_000);

  it('passes its own test', async () => {
    const said = await cluster.run('helm', ['test', OPERATOR.release, '--namespace', OPERATOR.namespace, '--logs']);
    expect(said).toMatch(/Phase: +Succeeded/);
    expect(said).toMatch(new RegExp(`webhook: a certificate for ${SERVICE}`));
  }, 180_000);

  it("injects from the node's network, on ports of ours, under a certificate of our own, where it is told to alone", async () => {
    const bundle = async () =>
      Buffer.from(
        await operator(
          ...['get', 'mutatingwebhookconfiguration', CONFIGURATION],
          ...['-o', 'jsonpath={.webhooks[0].clientConfig.caBundle}'],
        ),
        'base64',
      ).toString();
    await until('the API server is not told of the authority', 60_000, async () =>
      (await bundle()).includes(certificate.ca.trim()),
    );
    await until('pods are not injected', 60_000, async () => {
      await kubectl(reached, 'delete', 'pod', 'web', '--ignore-not-found', '--force', '--grace-period=0');
      await apply(reached, asking('web'));
      return isInjected(reached, 'web');
    });
    await kubectl(reached, 'wait', 'pod/web', '--for=condition=Ready', '--timeout=120s');
    await apply(other, asking('web'));
    expect(await isInjected(other, 'web')).toBe(false);

    const pods = JSON.parse(
      await operator('get', 'pods', '-l', 'app.kubernetes.io/name=tracing-operator', '-o', 'json'),
    ) as {
      items: { metadata: { deletionTimestamp?: string }; spec: { hostNetwork?: boolean; nodeName: string } }[];
    };
    const [pod, ...more] = pods.items.filter(({ metadata }) => !metadata.deletionTimestamp);
    expect(more).toEqual([]);
    expect(pod!.spec.hostNetwork).toBe(true);
    const metrics = `/api/v1/namespaces/${OPERATOR.namespace}/services/${OPERATOR.release}:metrics/proxy/metrics`;
    const end = /^tracing_operator_certificate_expiry_timestamp_seconds (\S+)$/m.exec(
      await operator('get', '--raw', metrics),
    );
    expect(Number(end![1])).toBe(endOf(certificate.certificate) / 1000);
  }, 300_000);

  it('has owners of a namespace told that it is not among them, and what would change that', async () => {
    await apply(other, {
      ...{ apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy', metadata: { name: 'default' } },
      spec: { exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }] },
    });
    const why = `pods of namespace ${other} are never looked at: the chart's webhook.namespaces does not contain it`;
    const next = `--set-json 'webhook.namespaces=["${reached}","${other}"]'`;
    const words = (text: string) => text.replace(/\s+/g, ' ');
    let text = words(await tracing('explain', 'pod/web', '-n', other));
    expect(text).toContain(why);
    expect(text).toContain(next);
    expect(text).not.toContain('before tracing was asked for');
    text = words(await tracing('status', '-n', other));
    expect(text).toMatch(/pod\/web 1 0 0 \S+ NotReached/);
    expect(text).toContain(why);
    const degraded = `jsonpath={.status.conditions[?(@.type=="Degraded")].message}`;
    await until('the policy does not say so', 60_000, async () =>
      (await kubectl(other, 'get', 'tracingpolicy', 'default', '-o', degraded)).includes(why),
    );
    expect(await kubectl(other, 'get', 'tracingpolicy', 'default', '-o', 'jsonpath={.status.pods.missing}')).toBe('0');
    expect(words(await tracing('status', '-n', reached))).not.toContain('NotReached');
  }, 240_000);
});
