import { describe, expect, it } from '@jest/globals';
import type { TracingPolicy, TracingPolicySpec } from '../crds/tracing-policy.ts';
import { policyMark, resolve } from './resolve.ts';
import { selects } from './selector.ts';

const exporter = { name: 'default', endpoint: 'http://collector:4318' };

function policy(name: string, spec: TracingPolicySpec, day = 1, namespace = 'shop'): TracingPolicy {
  const creationTimestamp = `2026-01-0${day}T00:00:00Z`;
  const metadata = { name, namespace, uid: name, resourceVersion: '1', creationTimestamp };
  return { apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy', metadata, spec };
}

const pod = { namespace: 'shop', labels: { app: 'order', tier: 'web' } };
const winner = (policies: TracingPolicy[]) => resolve(policies, pod, {}).document?.source;

describe('which policy applies', () => {
  it("is one of the pod's own namespace", () => {
    expect(winner([policy('other', {}, 1, 'elsewhere')])).toBeUndefined();
  });

  it('is one whose selector matches', () => {
    const narrow = policy('narrow', { selector: { matchLabels: { app: 'payment' } } });
    expect(winner([narrow])).toBeUndefined();
    expect(winner([narrow, policy('wide', {}, 2)])).toBe('TracingPolicy shop/wide');
  });

  it('is the oldest of several, then the first by name, whatever order they come in', () => {
    const all = [policy('c', {}, 2), policy('b', {}, 1), policy('a', {}, 2)];
    expect(winner(all)).toBe('TracingPolicy shop/b');
    expect(winner(all.toReversed())).toBe('TracingPolicy shop/b');
    expect(winner([all[0]!, all[2]!])).toBe('TracingPolicy shop/a');
    expect(resolve(all, pod, {}).candidates.map(({ metadata }) => metadata.name)).toEqual(['b', 'a', 'c']);
  });

  it('is the chart default where none matches, if that sends spans anywhere', () => {
    expect(resolve([], pod, { exporters: [exporter] }).document).toMatchObject({
      key: 'chart-default.json',
      spec: { sampling: { ratio: 1 }, exporters: [{ protocol: 'http/protobuf' }] },
    });
    expect(resolve([], pod, { sampling: { ratio: 0.5 } }).document).toBeUndefined();
    expect(policyMark(undefined)).toEqual({ key: 'none', revision: 'none' });
  });
});

describe('what it says', () => {
  const document = (spec: TracingPolicySpec, defaults = {}) => resolve([policy('p', spec)], pod, defaults).document!;

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

  it('takes an empty list of exporters at its word', () => {
    expect(document({ exporters: [] }, { exporters: [exporter] }).spec.exporters).toEqual([]);
  });

  it('has a revision that changes with what a process does, and with nothing else', () => {
    const attributes = { a: '1', b: '2' };
    const base = document({ sampling: { ratio: 0.5 }, resource: { attributes } }).revision;
    expect(document({ resource: { attributes: { b: '2', a: '1' } }, sampling: { ratio: 0.5 } }).revision).toBe(base);
    const selector = { matchLabels: { app: 'order' } };
    expect(document({ selector, sampling: { ratio: 0.5 }, resource: { attributes } }).revision).toBe(base);
    expect(document({ sampling: { ratio: 0.51 }, resource: { attributes } }).revision).not.toBe(base);
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
