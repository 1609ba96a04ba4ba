import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import type { TracingPolicy } from '../crds/tracing-policy.ts';
import { injectPod } from './inject.ts';
import type { LinkerdTracing } from './linkerd.ts';
import type { Container, Pod } from './pod.ts';
import { resolve } from './resolve.ts';

type Env = Record<string, string>;
interface Injected {
  linkerd: string;
  tracing: LinkerdTracing;
  where: 'containers' | 'initContainers';
  bare: Env;
  asked: Record<string, string>;
  linkerdFirst: Env;
  oursFirst: Env;
}
/** Its header says what it is, and where from. */
const { namespace, policy, pod, injected } = load(
  readFileSync(new URL('testdata/linkerd/injected.yaml', import.meta.url), 'utf8'),
) as {
  namespace: { name: string; annotations: Record<string, string> };
  policy: TracingPolicy['spec'];
  pod: Pod;
  injected: Injected[];
};

/** The pod with our agent, in whichever state our webhook is sent it. */
function withAgent(given: Pod, linkerd: LinkerdTracing): Pod {
  const metadata = { name: 'default', namespace: 'shop', uid: 'u', resourceVersion: '1', creationTimestamp: '' };
  const policies = {
    namespaced: [{ kind: 'TracingPolicy' as const, metadata, spec: policy }],
    cluster: [],
    defaults: {},
  };
  const resolution = resolve(policies, { namespace: namespace.name, ...given.metadata });
  const options = { agentImage: 'agent:1', agentImagePullPolicy: 'Always', linkerd };
  return injectPod(given, { ...namespace, labels: {} }, resolution, options).pod;
}

function proxied({ where, bare }: Injected): Pod {
  const proxy: Container = {
    name: 'linkerd-proxy',
    env: Object.entries(bare).map(([name, value]) => ({ name, value })),
  };
  return { ...pod, spec: { ...pod.spec, [where]: [proxy, ...(pod.spec[where] ?? [])] } };
}

/** Annotations that Linkerd reads. */
const asked = ({ metadata }: Pod) =>
  Object.fromEntries(
    Object.entries(metadata?.annotations ?? {}).filter(
      ([key]) => key.startsWith('resource.opentelemetry.io/') || key.includes('linkerd.io/'),
    ),
  );

/**
 * Attributes of the proxy's spans, by the rules of the proxy: of several lines with one name the last counts, and all of them before
 * the name of the service. What the kubelet makes of dollar signs is done.
 * https://github.com/linkerd/linkerd2-proxy/blob/29637b64f6cebedaf15bfbf516818d7a28a4d5a6/linkerd/app/src/env/trace.rs#L36-L76
 */
function ofProxy(env: Env): Record<string, string> {
  const lines = (env['LINKERD2_PROXY_TRACE_EXTRA_ATTRIBUTES'] ?? '').replaceAll('$$', '$').split('\n');
  const pairs = lines.flatMap((line): [string, string][] => {
    const [, key, value] = /^([^=]+)=(.*)$/.exec(line) ?? [];
    return key === undefined ? [] : [[key, value!]];
  });
  const named = env['LINKERD2_PROXY_TRACE_SERVICE_NAME'];
  return { ...(named !== undefined && { 'service.name': named }), ...Object.fromEntries(pairs) };
}

/** What our webhook tells the agent in the app's container. */
function ofApp(given: Pod): Record<string, string> {
  const { env = [] } = given.spec.containers.find(({ name }) => name === 'app')!;
  const resource = env.find(({ name }) => name === 'TRACING_ACME_RESOURCE')!.value!;
  return Object.fromEntries(resource.split(',').map((pair) => pair.split('=') as [string, string]));
}

describe.each(injected)("what Linkerd's own injector ($linkerd) made of our pod", (fixture) => {
  const { linkerd, tracing, linkerdFirst, oursFirst, where } = fixture;
  const { 'service.name': name, 'service.namespace': home } = ofApp(withAgent(pod, tracing));

  it('it would be given today, where our webhook comes first', () => {
    expect(asked(withAgent(pod, tracing))).toEqual(fixture.asked);
  });

  it('it would be given today, or has been made of it by us, where ours comes last', () => {
    const result = withAgent(proxied(fixture), tracing);
    expect(asked(result)).toEqual(fixture.asked);
    if (tracing === 'LinkerdJaeger') return;
    const { env = [] } = result.spec[where]!.find((container) => container.name === 'linkerd-proxy')!;
    expect(Object.fromEntries(env.map((each) => [each.name, each.value]))).toEqual(linkerdFirst);
  });

  it.each([
    ['ours', oursFirst],
    ["Linkerd's", linkerdFirst],
  ])('has spans of the proxy go where those of the app do, under the same name, with %s first', (_, env) => {
    expect(env['LINKERD2_PROXY_TRACE_COLLECTOR_SVC_ADDR']).toBe(
      `${new URL(policy.exporters![0]!.endpoint).hostname}:4317`,
    );
    const attributes = ofProxy(env);
    expect(attributes['service.name']).toBe(linkerd === '2.14.10' ? undefined : name);
    // linkerd-jaeger knows no more of it.
    if (tracing === 'LinkerdJaeger')
      expect(env['LINKERD2_PROXY_TRACE_COLLECTOR_SVC_NAME']).toMatch(/^otel\.observability\.serviceaccount\./);
    else expect(attributes).toMatchObject({ 'service.namespace': home, ...policy.resource!.attributes });
  });
});

describe('a pod that Linkerd has not looked at yet', () => {
  const given = (own: Record<string, string>): Pod => ({
    ...pod,
    metadata: { ...pod.metadata, annotations: { ...pod.metadata!.annotations, ...own } },
  });

  it('is told nothing of it where it gets no proxy', () => {
    expect(asked(withAgent(given({ 'linkerd.io/inject': 'disabled' }), 'ControlPlane'))).toEqual({
      'linkerd.io/inject': 'disabled',
    });
  });

  it('has no value in its annotations that makes a patch of the injectors invalid, and the pod be refused', () => {
    const named = (name: string): Pod => ({
      ...pod,
      spec: { containers: [{ ...pod.spec.containers[0]!, env: [{ name: 'OTEL_SERVICE_NAME', value: name }] }] },
    });
    // As seen of both: "spec.initContainers[2].name: Required value", and "invalid character 'q' in string escape code".
    for (const name of ['a\u0007b', 'a\u2028b', 'a\nb'])
      expect(asked(withAgent(named(name), 'ControlPlane'))).not.toHaveProperty([
        'resource.opentelemetry.io/service.name',
      ]);
    for (const name of ['a\\q', 'a"b', 'a\nb', 'a&b', 'a+b'])
      expect(asked(withAgent(named(name), 'LinkerdJaeger'))).not.toHaveProperty([
        'config.linkerd.io/trace-collector-name',
      ]);
    expect(asked(withAgent(named('ä b'), 'LinkerdJaeger'))['config.linkerd.io/trace-collector-name']).toBe('ä b');
  });
});
