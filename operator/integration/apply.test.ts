import { describe, expect, it } from '@jest/globals';
import { ApiError } from '../kube/client.ts';
import type { CompleteObject } from './apply.ts';
import { describeConflict, isAs, isRefusal } from './apply.ts';

const wanted: CompleteObject = {
  apiVersion: 'telemetry.istio.io/v1',
  kind: 'Telemetry',
  metadata: { name: 'a', namespace: 'shop', labels: { 'managed-by': 'us' }, ownerReferences: [{ uid: 'p' }] },
  spec: { tracing: [{ randomSamplingPercentage: 10 }] },
};
const stored = (metadata: object, spec: object = wanted.spec as object) => ({
  ...wanted,
  metadata: { ...wanted.metadata, resourceVersion: '7', ...metadata },
  spec,
});

describe('an object that is to be applied', () => {
  it('is as it is to be where others have added to its metadata', () => {
    expect(isAs(wanted, stored({}))).toBe(true);
    expect(isAs(wanted, stored({ labels: { 'managed-by': 'us', team: 'shop' }, annotations: { a: 'b' } }))).toBe(true);
  });

  it('is not where anything of it differs, or the rest says more', () => {
    expect(isAs(wanted, stored({ labels: { 'managed-by': 'them' } }))).toBe(false);
    expect(isAs(wanted, stored({ ownerReferences: [{ uid: 'other' }] }))).toBe(false);
    expect(isAs(wanted, stored({ ownerReferences: [] }))).toBe(false);
    expect(isAs(wanted, stored({}, { tracing: [{ randomSamplingPercentage: 11 }] }))).toBe(false);
    expect(isAs(wanted, stored({}, { tracing: [{ randomSamplingPercentage: 10, more: 1 }] }))).toBe(false);
  });

  it('in conflict is told of with both values, and who set the other', () => {
    const theirs = { spec: { tracing: [{ randomSamplingPercentage: 42 }] } };
    // In the words of API servers of 1.34, of one field and of several.
    const one =
      'PATCH /x: 409 Conflict: Apply failed with 1 conflict: conflict with "kubectl-edit" using telemetry.istio.io/v1: .spec.tracing';
    const several =
      'PATCH /x: 409 Conflict: Apply failed with 2 conflicts: conflicts with "kubectl-edit" using telemetry.istio.io/v1:\n- .spec.tracing\n- .spec.selector';
    for (const message of [one, several])
      expect(describeConflict(message, wanted, theirs)).toBe(
        'kubectl-edit has set spec.tracing to [{"randomSamplingPercentage":42}], and the policy asks for [{"randomSamplingPercentage":10}]',
      );
    expect(describeConflict('something else', wanted, undefined)).toMatch(/^somebody else has set it/);
  });

  it('is refused for good by a schema or a webhook, and not by an API server in trouble', () => {
    const answer = (status: number, said: string) => isRefusal(new ApiError('PATCH', '/x', status, 'Unknown', said));
    // In the words of an API server of 1.34.
    const unknown =
      'failed to create typed patch object (shop/a; telemetry.istio.io/v1, Kind=Telemetry): .spec.targetRefs: field not declared in schema';
    expect(answer(500, unknown)).toBe(true);
    expect(answer(422, 'Telemetry "a" is invalid')).toBe(true);
    expect(answer(400, 'admission webhook "x" denied the request')).toBe(true);
    expect(answer(500, 'etcdserver: request timed out')).toBe(false);
    expect(answer(409, 'Apply failed with 1 conflict')).toBe(false);
  });
});
