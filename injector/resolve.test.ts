import { describe, expect, it } from '@jest/globals';
import type {
  ClusterTracingPolicy,
  ClusterTracingPolicySpec,
  TracingPolicy,
  TracingPolicySpec,
} from '../crds/tracing-policy.ts';
import { describePolicy, policyMark, resolve } from './resolve.ts';
import type { DefaultPolicy, Policy, Subject } from './resolve.ts';
import { selects } from './selector.ts';

const exporter = { name: 'default', endpoint: 'http://collector:4318' };

interface Made {
  day?: number;
  namespace?: string;
}
const metadata = (name: string, day: number) => {
  const creationTimestamp = `2026-01-0${day}T00:00:00Z`;
  return { name, uid: name, resourceVersion: '1', creationTimestamp };
};
const policy = (
  name: string,
  spec: TracingPolicySpec = {},
  { day = 1, namespace = 'shop' }: Made = {},
): TracingPolicy => ({
  kind: 'TracingPolicy',
  metadata: { ...metadata(name, day), namespace },
  spec,
});
const cluster = (name: string, spec: ClusterTracingPolicySpec = {}, day = 1): ClusterTracingPolicy => ({
  kind: 'ClusterTracingPolicy',
  metadata: metadata(name, day),
  spec,
});

const pod: Subject = {
  namespace: 'shop',
  namespaceLabels: { team: 'sales' },
  labels: { app: 'order', tier: 'web' },
};
const resolved = (policies: Policy[], subject: Partial<Subject> = {}, defaults: DefaultPolicy = {}) =>
  resolve(
    {
      namespaced: policies.filter((each) => each.kind === 'TracingPolicy'),
      cluster: policies.filter((each) => each.kind === 'ClusterTracingPolicy'),
      defaults,
    },
    { ...pod, ...subject },
  );
const winner = (policies: Policy[], subject: Partial<Subject> = {}) => resolved(policies, subject).document?.source;

describe('which policy applies', () => {
  it("is one of the pod's own namespace", () => {
    expect(winner([policy('other', {}, { namespace: 'elsewhere' })])).toBeUndefined();
  });

  it('is one whose selector matches', () => {
    const narrow = policy('narrow', { selector: { matchLabels: { app: 'payment' } } });
    expect(winner([narrow])).toBeUndefined();
    expect(winner([narrow, policy('wide', {}, { day: 2 })])).toBe('TracingPolicy shop/wide');
  });

  it('is the one of highest priority, then the oldest, then the first by name, whatever order they come in', () => {
    const all = [
      policy('c', {}, { day: 2 }),
      policy('b', {}, { day: 1 }),
      policy('a', {}, { day: 2 }),
      policy('z', { priority: 5 }, { day: 9 }),
      policy('low', { priority: -1 }),
    ];
    const order = ['z', 'b', 'a', 'c', 'low'];
    expect(resolved(all).candidates.map((candidate) => candidate.policy.metadata.name)).toEqual(order);
    expect(resolved(all.toReversed()).candidates.map((candidate) => candidate.policy.metadata.name)).toEqual(order);
  });

  it('is one of the namespace before one of the cluster, whatever their priorities', () => {
    const both = [cluster('base', { priority: 1000 }), policy('own', { priority: -1000 })];
    expect(winner(both)).toBe('TracingPolicy shop/own');
    expect(winner([both[0]!])).toBe('ClusterTracingPolicy base');
  });

  it('is a cluster policy only where that selects namespace and pod', () => {
    const namespaceSelector = { matchLabels: { team: 'sales' } };
    expect(winner([cluster('c', { namespaceSelector })])).toBe('ClusterTracingPolicy c');
    expect(winner([cluster('c', { namespaceSelector })], { namespaceLabels: {} })).toBeUndefined();
    expect(winner([cluster('c', { namespaceSelector })], { namespaceLabels: undefined })).toBeUndefined();
    expect(winner([cluster('c', { selector: { matchLabels: { app: 'payment' } } })])).toBeUndefined();
  });

  it('is the one that the pod names, whatever its selector and priority', () => {
    const chosen = policy('chosen', { selector: { matchLabels: { app: 'payment' } }, priority: -5 });
    const annotations = { 'tracing.acme/policy': 'chosen' };
    expect(winner([policy('own'), chosen], { annotations })).toBe('TracingPolicy shop/chosen');
    expect(winner([policy('own'), chosen])).toBe('TracingPolicy shop/own');
  });

  it('is the next best where the pod names one that is not there, and that is said', () => {
    const { document, problems } = resolved([policy('own')], { annotations: { 'tracing.acme/policy': 'nosuch' } });
    expect(document?.source).toBe('TracingPolicy shop/own');
    expect(problems).toEqual([expect.stringMatching(/names nosuch, and namespace shop has no TracingPolicy/)]);
  });

  it('is a cluster policy that overrides before all else: the kill switch', () => {
    const off = cluster('off', { enabled: false, override: true });
    const annotations = { 'tracing.acme/policy': 'own' };
    const { document } = resolved([policy('own', { exporters: [exporter] }), off], { annotations });
    expect(document).toMatchObject({ source: 'ClusterTracingPolicy off', spec: { exporters: [] } });
  });

  it('is the chart default where none matches, if that sends spans anywhere', () => {
    expect(resolved([], {}, { exporters: [exporter] }).document).toMatchObject({
      key: 'chart-default.json',
      spec: { sampling: { ratio: 1 }, exporters: [{ protocol: 'http/protobuf' }] },
    });
    expect(resolved([], {}, { sampling: { ratio: 0.5 } }).document).toBeUndefined();
    expect(policyMark(undefined)).toEqual({ key: 'none', revision: 'none' });
  });

  it('falls back to the next when one goes', () => {
    const all = [
      cluster('off', { override: true }),
      policy('first', { priority: 1 }),
      policy('second'),
      cluster('base'),
    ];
    const winners = [];
    for (const left = [...all]; left.length > 0;) {
      const { policy: current } = resolved(left);
      winners.push(describePolicy(current!));
      left.splice(left.indexOf(current!), 1);
    }
    expect(winners).toEqual([
      'ClusterTracingPolicy off',
      'TracingPolicy shop/first',
      'TracingPolicy shop/second',
      'ClusterTracingPolicy base',
    ]);
  });
});

describe('what it says', () => {
  const document = (spec: TracingPolicySpec, defaults: DefaultPolicy = {}) =>
    resolved([policy('p', spec)], {}, defaults).document!;

  it('takes from the chart default what the policy leaves out', () => {
    const defaults = {
      sampling: { ratio: 0.5 },
      exporters: [exporter],
      resource: { attributes: { region: 'eu', env: 'test' } },
    };
    const { spec } = document({ sampling: { ratio: 0 }, resource: { attributes: { env: 'prod' } } }, defaults);
    expect(spec.sampling.ratio).toBe(0);
    expect(spec.exporters.map(({ name }) => name)).toEqual(['default']);
    expect(spec.resource.attributes).toEqual({ region: 'eu', env: 'prod' });
    expect(spec.propagators).toEqual(['tracecontext', 'baggage']);
  });

  it('has the labels of pods where the policy wants them, or else the chart', () => {
    const wanted = { resource: { useLabels: true } };
    const use = (spec: TracingPolicySpec, defaults?: DefaultPolicy) => document(spec, defaults).spec.resource.useLabels;
    expect([use({}), use(wanted), use({}, wanted)]).toEqual([undefined, true, true]);
    expect(use({ resource: { useLabels: false } }, wanted)).toBeUndefined();
  });

  it('says of baggage, instrumentations and names of spans only what is not usual', () => {
    const { spec } = document({ baggage: {}, instrumentations: [], spanNames: 'SemanticConventions' });
    expect(spec).not.toHaveProperty('baggage');
    expect(spec).not.toHaveProperty('instrumentations');
    expect(spec).not.toHaveProperty('spanNames');
    const defaults: DefaultPolicy = {
      baggage: { allow: ['tenant'] },
      instrumentations: [{ name: 'pg', enabled: false }],
      spanNames: 'ServiceOperation',
    };
    expect(document({}, defaults).spec).toMatchObject(defaults);
    expect(document({ baggage: { allow: [] } }, defaults).spec.baggage).toEqual({ allow: [] });
    expect(document({ instrumentations: [] }, defaults).spec).not.toHaveProperty('instrumentations');
  });

  it('takes an empty list of exporters at its word, and a policy that is off', () => {
    expect(document({ exporters: [] }, { exporters: [exporter] }).spec.exporters).toEqual([]);
    expect(document({ enabled: false, exporters: [exporter] }).spec.exporters).toEqual([]);
  });

  it('names signals only where they are not as usual, each by itself above the default', () => {
    const base = document({});
    expect(base.spec).not.toHaveProperty('signals');
    expect(document({ signals: { traces: true, logs: false } }).revision).toBe(base.revision);
    const defaults = { signals: { metrics: true, logCorrelation: true } };
    expect(document({ signals: { logs: true, metrics: false } }, defaults).spec.signals).toEqual({
      logs: true,
      logCorrelation: true,
    });
    expect(document({ signals: { traces: false } }).spec.signals).toEqual({ traces: false });
    expect(document({ enabled: false, signals: { metrics: true } }).spec).not.toHaveProperty('signals');
  });

  it('says what is kept and what is forced, unless a policy switches off what the chart says', () => {
    const on = { keep: { errors: true, slowerThan: '1500ms' }, force: { header: 'X-Trace-Me' } };
    const kept = { keep: { errors: true, slowerThanMillis: 1500 }, force: { header: 'x-trace-me', maxPerSecond: 1 } };
    expect(document({ sampling: on }).spec.sampling).toEqual({ ratio: 1, ...kept });
    expect(document({ sampling: { ratio: 0.5 } }, { sampling: on }).spec.sampling).toEqual({ ratio: 0.5, ...kept });
    const off = { keep: { errors: false }, force: { header: 'X-Trace-Me', maxPerSecond: 0 } };
    expect(document({ sampling: off }, { sampling: on }).spec.sampling).toEqual({ ratio: 1 });
  });

  it('has a revision that changes with what a process does, and with nothing else', () => {
    const attributes = { a: '1', b: '2' };
    const base = document({ sampling: { ratio: 0.5 }, resource: { attributes } }).revision;
    expect(document({ resource: { attributes: { b: '2', a: '1' } }, sampling: { ratio: 0.5 } }).revision).toBe(base);
    const how = { selector: { matchLabels: { app: 'order' } }, priority: 3, injection: 'All' as const };
    expect(document({ ...how, sampling: { ratio: 0.5 }, resource: { attributes } }).revision).toBe(base);
    expect(document({ sampling: { ratio: 0.51 }, resource: { attributes } }).revision).not.toBe(base);
  });

  it('leaves out exporters for hosts that a cluster policy does not allow, and says so', () => {
    const limit = cluster('limit', { allowedEndpoints: ['collector.observability', '*.example.com'] });
    const exporters = [
      { name: 'inside', endpoint: 'http://collector.observability:4318' },
      { name: 'wildcard', endpoint: 'https://otlp.EXAMPLE.com' },
      { name: 'bare', endpoint: 'https://example.com' },
      { name: 'elsewhere', endpoint: 'https://evil.test/collector.observability' },
      { name: 'trick', endpoint: 'https://notexample.com' },
    ];
    const { document: limited, problems } = resolved([limit, policy('p', { exporters })]);
    expect(limited?.spec.exporters.map(({ name }) => name)).toEqual(['inside', 'wildcard']);
    expect(problems).toHaveLength(3);
    expect(problems[1]).toBe(
      'exporter elsewhere is left out: ClusterTracingPolicy limit allows the hosts collector.observability, *.example.com, not evil.test',
    );
  });

  it('is not limited by a cluster policy for other namespaces, nor is a cluster policy itself', () => {
    const namespaceSelector = { matchLabels: { team: 'other' } };
    const elsewhere = cluster('limit', { allowedEndpoints: ['nowhere'], namespaceSelector });
    const spec = { exporters: [exporter] };
    expect(resolved([elsewhere, policy('p', spec)]).document?.spec.exporters).toHaveLength(1);
    expect(resolved([cluster('c', { ...spec, allowedEndpoints: ['nowhere'] })]).document?.spec.exporters).toHaveLength(
      1,
    );
  });
});

describe('the agent of new pods', () => {
  const agent = { image: 'registry.example.com/agent:2' };

  it('is the one of the first cluster policy that names one, also where a TracingPolicy decides the rest', () => {
    const canary = cluster('canary', { agent: { image: 'agent:3', imagePullPolicy: 'Always' }, priority: 1 });
    const all = [cluster('base', { agent }), policy('own')];
    expect(resolved(all)).toMatchObject({ policy: { kind: 'TracingPolicy' }, agent });
    expect(resolved([...all, canary]).agent).toEqual({ image: 'agent:3', imagePullPolicy: 'Always' });
    expect(resolved([...all, cluster('off', { override: true, enabled: false })]).agent).toEqual(agent);
  });

  it('is left to the chart by all others', () => {
    expect(resolved([policy('own'), cluster('base')]).agent).toBeUndefined();
    const elsewhere = cluster('c', { agent, namespaceSelector: { matchLabels: { team: 'other' } } });
    expect(resolved([elsewhere]).agent).toBeUndefined();
    // A TracingPolicy cannot say it: the API server prunes the field, and so does our schema.
    expect(resolved([policy('own', { agent } as TracingPolicySpec)]).agent).toBeUndefined();
  });
});

describe('the files that exporters need', () => {
  const secret = (name: string, endpoint = 'https://collector.observability'): TracingPolicySpec => ({
    exporters: [{ name: 'e', endpoint, headers: [{ name: 'x-key', valueFrom: { secretKeyRef: { name, key: 'k' } } }] }],
  });

  it('are named in the document by path, and change its revision', () => {
    const { document, credentials } = resolved([policy('p', secret('one'))]);
    expect(document?.spec.exporters[0]?.headers).toEqual([{ name: 'x-key', file: 'secret/one/k' }]);
    expect(credentials).toEqual(['secret/one/k']);
    expect(resolved([policy('p', secret('two'))]).document?.revision).not.toBe(document?.revision);
  });

  it('are those of the policy in force first, then of all that it could fall back to', () => {
    const all = [
      cluster('off', { override: true, enabled: false }),
      policy('own', { ...secret('own'), priority: 1 }),
      policy('disabled', { ...secret('disabled'), enabled: false }),
      cluster('base', secret('base')),
      policy('else', secret('else'), { namespace: 'elsewhere' }),
    ];
    const paths = ['secret/own/k', 'secret/disabled/k', 'secret/base/k', 'secret/chart/k'];
    expect(resolved(all, {}, secret('chart')).credentials).toEqual(paths);
    expect(resolved([], {}, secret('chart')).credentials).toEqual(['secret/chart/k']);
  });

  it('are not those of an exporter for a host that is not allowed', () => {
    const limit = cluster('limit', { allowedEndpoints: ['collector.observability'] });
    const { credentials, problems } = resolved([limit, policy('p', secret('one', 'https://evil.test'))]);
    expect(credentials).toEqual([]);
    expect(problems).toHaveLength(1);
  });
});

describe('a selector', () => {
  const { labels } = pod;
  it.each([
    ['nothing', undefined, true],
    ['an empty one', {}, true],
    ['an equal label', { matchLabels: { app: 'order' } }, true],
    ['another value', { matchLabels: { app: 'order', tier: 'db' } }, false],
    ['In', { matchExpressions: [{ key: 'app', operator: 'In' as const, values: ['x', 'order'] }] }, true],
    ['In of a missing key', { matchExpressions: [{ key: 'no', operator: 'In' as const, values: ['x'] }] }, false],
    ['NotIn', { matchExpressions: [{ key: 'app', operator: 'NotIn' as const, values: ['order'] }] }, false],
    ['NotIn of a missing key', { matchExpressions: [{ key: 'no', operator: 'NotIn' as const, values: ['x'] }] }, true],
    ['Exists', { matchExpressions: [{ key: 'no', operator: 'Exists' as const }] }, false],
    ['DoesNotExist', { matchExpressions: [{ key: 'no', operator: 'DoesNotExist' as const }] }, true],
    ['a prototype name', { matchLabels: { constructor: 'order' } }, false],
  ])('%s', (_name, selector, expected) => expect(selects(selector, labels)).toBe(expected));
});
