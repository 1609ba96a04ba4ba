import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { injectPod } from './inject.ts';
import { PROXY_CONFIG, withTracing } from './istio.ts';
import type { Pod } from './pod.ts';
import { resolve } from './resolve.ts';

const TRACING = { sampling: 100 };
const ENABLED = { 'istio-injection': 'enabled' };
const pod = (annotations: Record<string, string> = {}, labels: Record<string, string> = {}): Pod => ({
  metadata: { name: 'order-0', annotations: { 'tracing.acme/inject': 'true', ...annotations }, labels },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
});

function inject(given: Pod, namespaceLabels: Record<string, string>, istio: object | undefined) {
  const defaults = { exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }] };
  const resolution = resolve({ namespaced: [], cluster: [], defaults }, { namespace: 'shop', ...given.metadata });
  const options = { agentImage: 'agent:1', agentImagePullPolicy: 'Always', ...(istio && { istio }) };
  const { pod: result, decisions } = injectPod(given, { name: 'shop', labels: namespaceLabels }, resolution, options);
  const warnings = decisions.filter(({ warn }) => warn).map(({ reason, message }) => `${reason}: ${message}`);
  return {
    config: result.metadata!.annotations![PROXY_CONFIG],
    warnings,
    injected: result.spec.initContainers?.length,
  };
}

describe("a traced pod's annotation for its sidecar", () => {
  it('is there where Istio adds a sidecar, or has', () => {
    const line = 'tracing: {"sampling":100}\n';
    expect(inject(pod(), ENABLED, TRACING)).toEqual({ config: line, warnings: [], injected: 1 });
    expect(inject(pod(), { 'istio.io/rev': 'canary' }, TRACING).config).toBe(line);
    expect(inject(pod({}, { 'sidecar.istio.io/inject': 'true' }), {}, TRACING).config).toBe(line);
    const plain = pod();
    plain.spec.containers.push({ name: 'istio-proxy', image: 'proxy' });
    expect(inject(plain, {}, TRACING).config).toBe(line);
    const native = pod();
    native.spec.initContainers = [{ name: 'istio-proxy', image: 'proxy', restartPolicy: 'Always' }];
    expect(inject(native, {}, TRACING).config).toBe(line);
  });

  it('is not there where no sidecar will be, and where sidecars are told in another way', () => {
    expect(inject(pod(), {}, TRACING).config).toBeUndefined();
    expect(inject(pod(), { 'istio-injection': 'disabled', 'istio.io/rev': 'canary' }, TRACING).config).toBeUndefined();
    expect(inject(pod({}, { 'sidecar.istio.io/inject': 'false' }), ENABLED, TRACING).config).toBeUndefined();
    expect(inject(pod({ 'sidecar.istio.io/inject': 'false' }), ENABLED, TRACING).config).toBeUndefined();
    expect(inject(pod(), ENABLED, undefined).config).toBeUndefined();
  });

  it("keeps its owner's tracing, and says so", () => {
    const own = 'concurrency: 2\ntracing: {sampling: 33}\n';
    const { config, warnings, injected } = inject(pod({ [PROXY_CONFIG]: own }), ENABLED, TRACING);
    expect({ config, injected }).toEqual({ config: own, injected: 1 });
    expect(warnings).toEqual([
      'MeshSettings: annotation proxy.istio.io/config stays as it is: its own tracing wins: {"sampling":33}. The policy asks for tracing: {"sampling":100}',
    ]);
  });
});

describe('what is added to the YAML of an owner', () => {
  const bomb = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]\n`).join('');

  it.each([
    '# Nothing yet.\n',
    'concurrency: 2',
    'concurrency: 2\n',
    '# Two are enough.\nconcurrency: 2  # threads\n',
    'proxyMetadata:\n  A: "1"\n  B: yes\n',
    '  concurrency: 2\n  holdApplicationUntilProxyStarts: true\n',
    '---\nconcurrency: 2\n',
    'proxyMetadata:\n  TEXT: |\n    a\n    b\n',
  ])('leaves every letter of it: %j', (text) => {
    const merged = withTracing(text, TRACING);
    expect(merged).toEqual({ text: expect.stringContaining(text) });
    const { text: all } = merged as { text: string };
    const own = text.startsWith('# Nothing') ? {} : (load(text) as object);
    expect(load(all)).toEqual({ ...own, tracing: TRACING });
    expect(all.slice(text.length)).toMatch(/^\n? *tracing: \{"sampling":100\}\n$/);
  });

  it('says the same in JSON, where that is what the owner wrote', () => {
    expect(withTracing('{ "concurrency": 2 }', TRACING)).toEqual({
      text: '{"concurrency":2,"tracing":{"sampling":100}}',
    });
    expect(withTracing('{}', TRACING)).toEqual({ text: '{"tracing":{"sampling":100}}' });
  });

  it.each([
    ['{concurrency: 2}', 'a line cannot be added'],
    ['concurrency: 2\n...\n', 'a line cannot be added'],
    ['a: b: c', 'not a mapping'],
    ['[1]', 'not a mapping'],
    ['- a', 'not a mapping'],
    ['just words', 'not a mapping'],
    ['tracing:', 'its own tracing wins: null'],
    ['a: &a {b: 1}\nc: *a\n', 'anchors or aliases'],
    [`a0: &a0 [x]\n${bomb}tracing: *a30\n`, 'anchors or aliases'],
    ['a: &&a {b: 1}\nc: *&a\n', 'anchors or aliases'],
    [`{a0: &a0 [x], a1: &a1 [*a0,*a0]}`, 'anchors or aliases'],
    ['tracing: {zipkin: {address: "zipkin:9411"}}', 'its own tracing wins: {"zipkin":{"address":"zipkin:9411"}}'],
    ['{"tracing": {"sampling": 5}}', 'its own tracing wins: {"sampling":5}'],
  ])('is nothing where that cannot be, or is its own: %j', (text, why) => {
    expect(withTracing(text, TRACING)).toEqual({ kept: expect.stringContaining(why) });
  });

  it('is shown in part where it is long', () => {
    const { kept } = withTracing(`tracing: ${'x'.repeat(200_000)}`, TRACING) as { kept: string };
    expect(kept.length).toBeLessThan(300);
  });
});
