import { describe, expect, it } from '@jest/globals';
import type { ClusterTracingPolicySpec } from '../../crds/tracing-policy.ts';
import { ready } from './ready.ts';

const metadata = { name: 'base', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' };
const cluster = (spec: ClusterTracingPolicySpec) => ({ kind: 'ClusterTracingPolicy' as const, metadata, spec });
const exporters = [{ name: 'default', endpoint: 'http://collector:4318' }];

describe('Ready', () => {
  it.each<[string, ClusterTracingPolicySpec, boolean, string]>([
    ['exporters', { exporters }, true, 'Delivered'],
    ['nothing', {}, false, 'NoExporter'],
    ['an empty list of exporters', { exporters: [], allowedEndpoints: ['a.example'] }, false, 'NoExporter'],
    ['enabled: false', { enabled: false }, true, 'SwitchedOff'],
    ['allowedEndpoints alone', { allowedEndpoints: ['*.example'] }, true, 'Applied'],
    ['an agent alone', { agent: { image: 'agent:2' } }, true, 'Applied'],
  ])('of a cluster policy with %s', (_what, spec, status, reason) =>
    expect(ready(cluster(spec), {}).slice(0, 2)).toEqual([status, reason]),
  );

  it('counts the exporters of the chart', () =>
    expect(ready(cluster({ allowedEndpoints: ['*.example'] }), { exporters })[1]).toBe('Delivered'));

  it('says of allowedEndpoints that they apply', () =>
    expect(ready(cluster({ allowedEndpoints: ['*.example'] }), {})[2]).toMatch(/^applied: allowedEndpoints;/));
});
