import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { conformity, kubeconformFolder, VERSIONS } from '../cluster/kubeconform.ts';
import { manifests, render } from './helm.ts';

/** Whose schemas come with other systems. */
const FOREIGN = ['ServiceMonitor', 'PrometheusRule', 'Certificate', 'Issuer'];
/** Everything that can be switched on at once. */
const ALL = [
  ...['certManager.enabled=true', 'agent.prePull.enabled=true', 'takeOver.namespaces={shop}', 'hostNetwork=true'],
  ...['serviceMonitor.enabled=true', 'alerts.enabled=true', 'dashboards.enabled=true', 'proxy.https=http://proxy:3128'],
  ...['webhook.namespaces={shop,bank}', 'priorityClassName=system-cluster-critical', 'spread.required=true'],
  ...['imagePullSecrets[0].name=ours', 'agent.imagePullSecrets[0].name=theirs', 'istio.revisions={canary}'],
  ...['linkerd.annotateNamespaces=true'],
];
/** Since 1.30, the oldest that the chart takes. */
const SUPPORTED = VERSIONS.filter((version) => Number(version.slice(2)) >= 30);

interface PodSpec {
  hostNetwork?: boolean;
  dnsPolicy?: string;
  priorityClassName?: string;
  topologySpreadConstraints?: { topologyKey: string; whenUnsatisfiable: string }[];
  containers: { image: string; env?: object[]; ports: { name: string; containerPort: number }[] }[];
  volumes: { name: string; secret?: { secretName: string } }[];
}

async function deployment(...values: string[]): Promise<{ template: { spec: PodSpec }; strategy?: unknown }> {
  const found = (await manifests(values)).find(({ kind }) => kind === 'Deployment');
  return found!.spec as { template: { spec: PodSpec } };
}
const podSpec = async (...values: string[]) => (await deployment(...values)).template.spec;
/** The operator's configuration. */
async function config(...values: string[]): Promise<Record<string, unknown> & { webhook: Record<string, unknown> }> {
  const found = (await manifests(values)).find(({ kind, data }) => kind === 'ConfigMap' && data?.['config.yaml']);
  return load(found!.data!['config.yaml']!) as { webhook: Record<string, unknown> };
}

describe("the chart's manifests", () => {
  it('are what each Kubernetes from 1.30 on takes, with no value set and with all of them', async () => {
    await kubeconformFolder();
    for (const values of [[], ALL]) {
      const text = await render(values);
      for (const version of SUPPORTED) {
        const { valid, complaints } = await conformity(text, version, FOREIGN);
        expect([version, complaints]).toEqual([version, []]);
        expect(valid).toBeGreaterThan(15);
      }
    }
  }, 300_000);

  it('are refused for an older one, which lacks nothing but the policies that bind the operator itself', async () => {
    await expect(render([], '--kube-version', '1.29')).rejects.toThrow(/requires kubeVersion: >=1.30/);
    const text = await render();
    for (const version of ['1.28', '1.29']) {
      const { complaints } = await conformity(text, version, FOREIGN);
      const kinds = new Set(complaints.map((each) => each.split(' ')[0]));
      expect([...kinds].sort()).toEqual(['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding']);
    }
  }, 300_000);
});

describe("the chart's values", () => {
  it.each([
    ['imageRegistry=https://reg.io', /\/imageRegistry.*HOST\[:PORT\]\[\/PATH\] without a scheme/],
    ['ports.webhook=443', /\/ports\/webhook.*minimum: got 443, want 1,?024/],
    ['proxy.https=proxy:3128', /\/proxy\/https.*a proxy is http:\/\/HOST:PORT/],
    ['webhook.namespaces={Shop}', /\/webhook\/namespaces\/0.*lower-case letters/],
    ['serviceMonitor.interval=30x', /\/serviceMonitor\/interval.*30s/],
    ['resources.limit.memory=1Gi', /\/resources.*additional properties 'limit' not allowed/],
    ['ports.webhook=9444', /ports: two of them are the same, in .*"reports":9444.*each needs one of its own/],
    [
      'certManager.enabled=true,webhook.certificateSecret=x',
      /certManager.enabled and webhook.certificateSecret exclude/,
    ],
  ])('refuse %s and say why', async (value, message) => {
    await expect(render([value])).rejects.toThrow(message);
  });

  it('put one registry before both images', async () => {
    const values = ['imageRegistry=reg.example.com:5000/mirror', 'agent.prePull.enabled=true'];
    const images = [...(await render(values)).matchAll(/^ *-? ?image: (.*)$/gm)].map(([, image]) => image!);
    expect(images.length).toBeGreaterThanOrEqual(4);
    for (const image of images)
      expect(image).toMatch(/^reg\.example\.com:5000\/mirror\/tracing-acme\/(operator|agent):/);
  });

  it('have the operator run on the network of its node, on ports that are free there', async () => {
    const { template, strategy } = await deployment('hostNetwork=true', 'ports.webhook=19443', 'ports.probes=18080');
    expect(template.spec).toMatchObject({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' });
    expect(template.spec.containers[0]!.ports.map(({ containerPort }) => containerPort)).toEqual([
      19443, 9444, 18080, 9445,
    ]);
    expect(strategy).toEqual({ rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } });
    expect(await config('ports.webhook=19443', 'ports.probes=18080')).toMatchObject({
      probePort: 18080,
      webhook: { port: 19443 },
    });
  });

  it('give a priority, a budget and a spread', async () => {
    const kinds = async (...values: string[]) => (await manifests(values)).map(({ kind }) => kind);
    expect(await kinds()).toContain('PodDisruptionBudget');
    expect(await kinds('replicas=1')).not.toContain('PodDisruptionBudget');
    expect(await kinds('podDisruptionBudget.enabled=false')).not.toContain('PodDisruptionBudget');
    expect(await podSpec()).toMatchObject({
      topologySpreadConstraints: [
        { topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
        { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' },
      ],
    });
    const spec = await podSpec('spread.topologyKeys={rack}', 'spread.required=true', 'priorityClassName=ours');
    expect(spec).toMatchObject({
      priorityClassName: 'ours',
      topologySpreadConstraints: [{ topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule' }],
    });
  });

  it('take a certificate of your own, whose authority the operator tells the API server', async () => {
    const own = 'webhook.certificateSecret=ours';
    const { volumes } = await podSpec(own);
    expect(volumes.find(({ name }) => name === 'certificate')?.secret).toEqual({ secretName: 'ours' });
    expect((await config(own)).webhook).toMatchObject({ certificateDirectory: '/etc/tracing-operator-certificate' });
    expect((await config(own)).webhook['bundleIsForeign']).toBeUndefined();
    expect(await render([own])).not.toMatch(/resources: \[secrets\]/);
    expect((await config('certManager.enabled=true')).webhook['bundleIsForeign']).toBe(true);
  });

  it('limit the operator to some namespaces, for the API server and for itself', async () => {
    const limited = ['webhook.namespaces={shop,bank}', 'takeOver.namespaces={shop}'];
    const configurations = (await manifests(limited)).filter(({ kind }) => kind === 'MutatingWebhookConfiguration');
    const webhooks = configurations.flatMap(
      (each) => (each as unknown as { webhooks: { namespaceSelector: { matchExpressions: object[] } }[] }).webhooks,
    );
    expect(webhooks).toHaveLength(4);
    for (const { namespaceSelector } of webhooks)
      expect(namespaceSelector.matchExpressions).toContainEqual({
        key: 'kubernetes.io/metadata.name',
        operator: 'In',
        values: ['shop', 'bank'],
      });
    expect((await config(...limited)).webhook['namespaces']).toEqual(['shop', 'bank']);
  });

  it('name the proxy to the API server', async () => {
    expect((await podSpec()).containers[0]!.env).toBeUndefined();
    const spec = await podSpec('proxy.https=http://proxy.example.com:3128', 'proxy.except=10.0.0.0/8');
    expect(spec.containers[0]!.env).toEqual([
      { name: 'HTTPS_PROXY', value: 'http://proxy.example.com:3128' },
      { name: 'NO_PROXY', value: '10.0.0.0/8' },
    ]);
  });
});
