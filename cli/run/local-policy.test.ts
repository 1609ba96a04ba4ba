import { describe, expect, it } from '@jest/globals';
import { defaultLocalDocument, describeDocument, localDocument } from './local-policy.ts';

const HERE = { protocol: 'http/json', endpoint: 'http://127.0.0.1:4318' } as const;
const policy = (spec: string, metadata = '{name: shop, namespace: shop}', kind = 'TracingPolicy') =>
  `apiVersion: tracing.acme/v1alpha1\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`;
const EXPORTERS =
  'exporters: [{name: a, endpoint: "http://a:1"}, {name: b, protocol: grpc, endpoint: "https://b:2", headers: [{name: k, value: v}]}]';

describe('what a local process is told', () => {
  it('is what a pod would be told, with all of its spans sent to one place', () => {
    const { source, spec } = localDocument(policy(`{sampling: {ratio: 0.5}, ${EXPORTERS}}`), 'policy.yaml', HERE);
    expect(source).toBe('TracingPolicy shop/shop');
    expect(spec.sampling.ratio).toBe(0.5);
    expect(spec.exporters).toEqual([{ name: 'local', ...HERE, headers: [], signals: ['traces'] }]);
  });

  it('has somewhere to send spans where the policy leaves that to the chart, and nowhere where it says so', () => {
    const exporters = (spec: string) => localDocument(policy(spec), 'p', HERE).spec.exporters.length;
    expect(exporters('{sampling: {ratio: 1}}')).toBe(1);
    expect(exporters(`{enabled: false, ${EXPORTERS}}`)).toBe(0);
  });

  it('goes by the only TracingPolicy of a file, whatever its selector', () => {
    const text = policy('{selector: {matchLabels: {app: web}}, sampling: {ratio: 0.2}}');
    expect(localDocument(text, 'p', HERE).spec.sampling.ratio).toBe(0.2);
  });

  it('lets a cluster policy that overrides win', () => {
    const override = policy('{override: true, sampling: {ratio: 0.1}}', '{name: all}', 'ClusterTracingPolicy');
    const text = `${policy('{sampling: {ratio: 0.2}}')}---\n${override}`;
    expect(localDocument(text, 'p', HERE).source).toBe('ClusterTracingPolicy all');
  });

  it('is as the chart says without any policy', () => {
    const { source, spec } = defaultLocalDocument(HERE);
    expect(source).toBe('chart default');
    expect(spec.exporters).toHaveLength(1);
    expect(spec.sampling.ratio).toBe(1);
  });

  it.each<[string, string, string | undefined, RegExp]>([
    [
      'what the API server would refuse',
      policy('{sampling: {ratio: 7}}'),
      undefined,
      /^p, document 1.*sampling\.ratio/,
    ],
    ['a namespace without a policy', policy('{}'), 'other', /^p: no policy in it applies in the namespace other /],
    ['a file without a policy', '# nothing\n', undefined, /^p: there is no policy in it\. /],
    [
      'policies of two namespaces',
      `${policy('{}', '{name: a, namespace: a}')}---\n${policy('{}', '{name: b, namespace: b}')}`,
      undefined,
      /^p: there are policies of the namespaces a, b\. Which is meant\? e\.g\. -n a$/,
    ],
  ])('refuses %s', (_what, text, namespace, message) => {
    expect(() => localDocument(text, 'p', HERE, namespace)).toThrow(message);
  });
});

describe('a policy in words', () => {
  it.each([
    ['{sampling: {ratio: 0.5, rules: [{paths: [/a], drop: true}]}}', 'TracingPolicy shop/shop: ratio 0.5, rules: 1'],
    ['{sampling: {ratio: 0.5, rules: []}}', 'TracingPolicy shop/shop: ratio 0.5'],
    ['{sampling: {ratio: 0.5}}', "TracingPolicy shop/shop: ratio 0.5, rules: 1 of the chart's default"],
    ['{enabled: false}', 'TracingPolicy shop/shop: nothing is recorded'],
    ['{signals: {traces: false}}', 'TracingPolicy shop/shop: nothing is recorded'],
  ])('%s', (spec, words) => {
    expect(describeDocument(localDocument(policy(spec), 'p', HERE))).toBe(words);
  });

  it("does not say of the chart's default itself whose rules they are", () => {
    expect(describeDocument(defaultLocalDocument(HERE))).toBe('chart default: ratio 1, rules: 1');
  });
});
