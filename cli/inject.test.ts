import { describe, expect, it } from '@jest/globals';
import { CHART } from './chart.ts';
import { injectManifest } from './inject.ts';
import { parseManifest } from './manifest/manifest.ts';
import { policiesOf } from './policy-file.ts';

const NONE = { namespaced: [], cluster: [] };

function inject(text: string, policies = NONE) {
  const options = { agentImage: CHART.agentImage, agentImagePullPolicy: CHART.agentImagePullPolicy };
  return injectManifest(text, 'web.yaml', {
    namespace: 'shop',
    policies,
    defaults: CHART.defaultPolicy,
    options,
  });
}
const lines = (text: string) => inject(text).verdicts.map(({ subject, what }) => `${subject}: ${what}`);

const TEMPLATE = `metadata: { labels: { app: web } }
      spec:
        containers: [{ name: app, image: app:1 }]`;
const workload = (
  apiVersion: string,
  kind: string,
  annotations = 'tracing.acme/inject: "true"',
) => `apiVersion: ${apiVersion}
kind: ${kind}
metadata: { name: web, annotations: { ${annotations} } }
spec:
  ${kind === 'CronJob' ? 'jobTemplate: { spec: { template: {metadata: {}, spec: {containers: [{ name: app }]}} } }' : `template:\n      ${TEMPLATE}`}
`;

describe('injectManifest', () => {
  it.each([
    ['apps/v1', 'Deployment'],
    ['apps/v1', 'StatefulSet'],
    ['apps/v1', 'DaemonSet'],
    ['batch/v1', 'Job'],
    ['batch/v1', 'CronJob'],
  ])('of %s %s: its own annotation counts, and spans have its name', (apiVersion, kind) => {
    const { text, verdicts } = inject(workload(apiVersion, kind));
    expect(verdicts).toEqual([
      {
        subject: `web.yaml, document 1, line 1: ${kind} shop/web`,
        what: 'injected: app (asked by annotation; no policy yet)',
        asked: true,
        changed: true,
        refused: false,
        image: CHART.agentImage,
      },
    ]);
    expect(text).toContain('service.name=web,service.namespace=shop');
    expect(text).toContain(`k8s.${kind.toLowerCase()}.name=web`);
    expect(text).not.toContain('ownerReferences');
    expect(inject(text).text).toBe(text);
  });

  it('of others that have a pod template: the annotation on that counts', () => {
    const rollout = workload('argoproj.io/v1alpha1', 'Rollout');
    expect(lines(rollout)).toEqual([
      'web.yaml, document 1, line 1: Rollout shop/web: unchanged: NotAsked: neither the pod nor its namespace nor a policy asks for tracing',
    ]);
    const asked = rollout.replace('{ labels: { app: web } }', '{ annotations: { tracing.acme/inject: "true" } }');
    expect(lines(asked)[0]).toMatch(/Rollout shop\/web: injected: app/);
    expect(inject(asked).text).toContain('service.name=web');
  });

  it('has a line for each object, and leaves all that it does not change as it is', () => {
    const before = `# what makes no pods\nkind: ConfigMap\nmetadata: {name: c}   # here\ndata: {mode: 0644}\n---\n# nothing\n---\n`;
    const after = `---\nkind: Pod\nmetadata: {name: p, annotations: {tracing.acme/inject: "false"}}\nspec: {containers: [{name: a}]}`;
    const { text, verdicts } = inject(before + workload('apps/v1', 'Deployment') + after);
    expect(text.startsWith(before)).toBe(true);
    expect(text.endsWith(after)).toBe(true);
    expect(verdicts.map(({ subject, what }) => `${subject}: ${what}`)).toEqual([
      'web.yaml, document 1, line 2: ConfigMap c: unchanged: it makes no pods',
      'web.yaml, document 3, line 8: Deployment shop/web: injected: app (asked by annotation; no policy yet)',
      'web.yaml, document 4, line 17: Pod shop/p: unchanged: OptedOut: tracing.acme/inject: "false" on the pod',
    ]);
  });

  it('goes by the namespaces and policies of the file, and by none of another namespace', () => {
    const pod = 'kind: Pod\nmetadata: {name: p, namespace: a}\nspec: {containers: [{name: app}, {name: b}]}\n';
    const namespace = 'kind: Namespace\nmetadata: {name: a, labels: {tracing.acme/inject: "true"}}\n';
    const policy = (where: string) =>
      `apiVersion: tracing.acme/v1alpha1\nkind: TracingPolicy\nmetadata: {name: p, namespace: ${where}}\nspec: {injection: All, containers: [app]}\n`;
    expect(lines(`${namespace}---\n${pod}`)[1]).toMatch(/injected: app, b \(asked by namespace; no policy yet\)/);
    expect(lines(`${policy('a')}---\n${pod}`)[1]).toMatch(
      /injected: app \(asked by policy; TracingPolicy a\/p\); b: NotSelected: not in the policy's containers$/,
    );
    expect(lines(`${policy('other')}---\n${pod}`)[1]).toMatch(/NotAsked/);
    expect(lines(pod.replace('namespace: a', 'namespace: kube-system'))[0]).toMatch(/kube-system are never looked at/);
  });

  it('has the present agent, and says which new one the webhook gives to some', () => {
    const canary = (percent: number) =>
      `apiVersion: tracing.acme/v1alpha1\nkind: ClusterTracingPolicy\nmetadata: {name: c}\nspec: {agent: {image: agent:1, canary: {image: agent:2, percent: ${percent}}}}\n---\n`;
    const deployment = workload('apps/v1', 'Deployment');
    expect(lines(canary(5) + deployment)[1]).toMatch(
      /injected: app \(asked by annotation; ClusterTracingPolicy c\); without the new agent agent:2, which ClusterTracingPolicy c gives to 5 % of the pods that the webhook injects$/,
    );
    expect(inject(canary(5) + deployment).text.split('---\n')[1]).toContain('image: agent:1');
    expect(lines(canary(0) + deployment)[1]).toMatch(/\(asked by annotation; ClusterTracingPolicy c\)$/);
  });

  it('says of one that asks and is left alone why', () => {
    const pod =
      'kind: Pod\nmetadata: {name: p, annotations: {tracing.acme/inject: "yes"}}\nspec: {containers: [{name: a}]}';
    const [verdict] = inject(pod).verdicts;
    expect(verdict).toMatchObject({ refused: true });
    expect(verdict?.what).toMatch(/^left alone: InvalidAnnotation: .* Example: tracing\.acme\/inject: "true"$/);
  });

  it('says so of a workload too, though nothing is copied to its pods', () => {
    const [verdict] = inject(workload('apps/v1', 'Deployment', 'tracing.acme/inject: "yes"')).verdicts;
    expect(verdict).toMatchObject({ asked: true, refused: true, changed: false });
    expect(verdict?.what).toMatch(/^left alone: InvalidAnnotation: .* Example: tracing\.acme\/inject: "true"/);
  });

  it('says what is written where nobody reads it, and what was meant', () => {
    expect(lines(workload('apps/v1', 'Deployment', 'tracing.acme/injekt: "true"'))).toEqual([
      expect.stringMatching(
        /unchanged: NotAsked: .*; annotation tracing\.acme\/injekt of the Deployment is none that we know: is tracing\.acme\/inject meant\?$/,
      ),
    ]);
    const namespace = (metadata: string) => `kind: Namespace\nmetadata: {name: shop, ${metadata}}\n---\n`;
    const pod = 'kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a}]}\n';
    expect(lines(namespace('labels: {tracing.acme/inject: "yes"}') + pod)[1]).toMatch(
      /NotAsked: .*; label tracing\.acme\/inject=yes of namespace shop is neither true nor false, so it says nothing$/,
    );
    expect(lines(namespace('annotations: {tracing.acme/inject: "true"}') + pod)[1]).toMatch(
      /is an annotation of namespace shop, and has to be a label$/,
    );
  });

  it('takes lists, in JSON as well', () => {
    const list = {
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { kind: 'ConfigMap', metadata: { name: 'c' } },
        {
          kind: 'Pod',
          metadata: { name: 'p', annotations: { 'tracing.acme/inject': 'true' } },
          spec: { containers: [{ name: 'a' }] },
        },
      ],
    };
    const { text, verdicts } = inject(JSON.stringify(list, null, 2));
    const items = (JSON.parse(text) as { items: { spec?: { initContainers?: unknown[] } }[] }).items;
    expect(items[0]).toEqual(list.items[0]);
    expect(items[1]?.spec?.initContainers).toHaveLength(1);
    expect(verdicts.map(({ subject }) => subject)).toEqual([
      'web.yaml, document 1, line 5: ConfigMap c',
      'web.yaml, document 1, line 11: Pod shop/p',
    ]);
  });

  it('says when a document had to be written anew', () => {
    const anchored =
      'kind: Pod\nmetadata: {name: p, annotations: {tracing.acme/inject: "true"}}\nspec:\n  containers:\n  - &a\n    name: a\n    env: &e\n    - {name: A, value: b}\n  - name: b\n    env: *e\n';
    expect(lines(anchored)[0]).toMatch(/the document is written anew, without its comments/);
    const commented = (label: string) =>
      `kind: Pod\nmetadata:\n  annotations:\n    tracing.acme/inject: "true"\n  labels: {app: ${label}}\nspec:\n  containers:\n  - name: a\n`;
    expect(lines(commented('web, # why\n    tier: back'))[0]).toMatch(
      /the document is written anew, without its comments/,
    );
    expect(lines(commented('"a # b"'))[0]).not.toMatch(/written anew/);
  });

  it.each([
    [
      'annotations: { tracing.acme/inject: true }',
      'line 4: spec.template.metadata.annotations.tracing.acme/inject: this must be text: put it into quotes, e.g. tracing.acme/inject: "true"',
    ],
    ['annotations: [a]', 'line 4: spec.template.metadata.annotations: a map of text is expected, e.g. {app: web}'],
  ])('refuses %s, and says where and what is allowed', (annotations, message) => {
    const text = `kind: Deployment\nmetadata: {name: web}\nspec:\n  template: { metadata: { ${annotations} }, spec: { containers: [{name: a}] } }\n`;
    expect(() => inject(text)).toThrow(`web.yaml, document 1, ${message}`);
  });

  it.each([
    ['spec: {}', /line 3: spec\.containers: a list of containers is expected, e\.g\. containers: \[\{name: app/],
    ['', /line 1: spec: a pod spec is expected, e\.g\. spec: \{containers/],
    [
      'spec: {containers: [{name: a, env: [{name: PORT, value: 8080}]}]}',
      /line 3: spec\.containers\.0\.env\.0\.value: .* e\.g\. value: "8080"/,
    ],
  ])('refuses a pod with %s', (spec, message) => {
    expect(() => inject(`kind: Pod\nmetadata: {name: web}\n${spec}\n`)).toThrow(message);
  });
});

describe('a policy file', () => {
  const read = (text: string) => policiesOf(parseManifest(text, 'policy.yaml'), 'shop', 'policy.yaml');
  const policy = (spec: string) =>
    `apiVersion: tracing.acme/v1alpha1\nkind: TracingPolicy\nmetadata: {name: p}\nspec: ${spec}\n`;

  it('has policies of both kinds', () => {
    const cluster =
      'apiVersion: tracing.acme/v1alpha1\nkind: ClusterTracingPolicy\nmetadata: {name: c}\nspec: {enabled: false}\n';
    const { namespaced, cluster: wide } = read(`${policy('{sampling: {ratio: 0.1}}')}---\n${cluster}`);
    expect(namespaced).toMatchObject([
      { metadata: { name: 'p', namespace: 'shop' }, spec: { sampling: { ratio: 0.1 } } },
    ]);
    expect(wide).toMatchObject([{ metadata: { name: 'c' }, spec: { enabled: false } }]);
  });

  it.each([
    [
      policy('\n  sampling:\n    ratio: 1.5'),
      /document 1, line 6: TracingPolicy p: spec\.sampling\.ratio: has to be at most 1\. More: kubectl explain tracingpolicy\.spec\.sampling\.ratio$/,
    ],
    [policy('\n  sampling:\n    ratio: half'), /spec\.sampling\.ratio: has to be a number, not a string\./],
    [policy('\n  exporters: [{ name: a }]'), /spec\.exporters\[0\]\.endpoint: is missing: a string is expected\./],
    [policy('\n  injection: all'), /spec\.injection: has to be one of OptIn, All\./],
    [
      policy('\n  sampling:\n    rate: 1'),
      /line 6: .*spec\.sampling\.rate: there is no such field\. Did you mean ratio\? What there is: kubectl explain tracingpolicy\.spec\.sampling$/,
    ],
    [
      policy('{exporters: [{name: a, endpoint: collector:4318}]}'),
      /line 4: .*endpoint: .* e\.g\. http:\/\/otel-collector/,
    ],
    [
      'kind: ConfigMap\n',
      /line 1: ConfigMap without apiVersion is not a TracingPolicy or ClusterTracingPolicy of tracing\.acme, e\.g\. \{apiVersion/,
    ],
    [policy('{}').replace('{name: p}', '{}'), /line 3: the policy has no name, e\.g\. /],
  ])('is refused as the API server would: %#', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});
