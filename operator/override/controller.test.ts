import { beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { TracingPolicy } from '../../crds/tracing-policy.ts';
import { overriddenPolicy } from '../../injector/sample-overridden-policy.ts';
import { ApiError } from '../kube/client.ts';
import type { KubeClient, RequestOptions } from '../kube/client.ts';
import { overridden } from '../status/overridden.ts';
import { OverrideController } from './controller.ts';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const entry = (seconds: number, workload = 'deployment/order') => ({
  workload,
  until: new Date(NOW + seconds * 1000).toISOString(),
  ratio: 0.5,
});

let sent: [method: string, path: string, body: unknown][];
let answer: () => Promise<unknown>;
const reconcile = (stored: TracingPolicy | undefined) =>
  new OverrideController(
    {
      request: (method: string, path: string, options?: RequestOptions) => {
        sent.push([method, path, options?.body]);
        return answer();
      },
    } as unknown as KubeClient,
    { findPolicy: () => stored },
    { logger: pino({ enabled: false }), now: () => NOW },
  ).reconcile('TracingPolicy shop/default', new AbortController().signal);

beforeEach(() => {
  sent = [];
  answer = () => Promise.resolve({});
});

describe('what has ended', () => {
  it('is waited for, and looked at every minute', async () => {
    expect(await reconcile(overriddenPolicy(JSON.stringify([entry(30), entry(3600, 'deployment/payment')])))).toBe(
      30_000,
    );
    expect(await reconcile(overriddenPolicy(JSON.stringify([entry(3600)])))).toBe(60_000);
    expect(sent).toEqual([]);
  });

  it('is taken away, as long as it is what was looked at; the rest stays', async () => {
    const text = JSON.stringify([entry(-1), entry(60, 'deployment/payment')]);
    await reconcile(overriddenPolicy(text));
    const path = '/metadata/annotations/tracing.acme~1override';
    expect(sent).toEqual([
      [
        'PATCH',
        '/apis/tracing.acme/v1alpha1/namespaces/shop/tracingpolicies/default',
        [
          { op: 'test', path, value: text },
          { op: 'replace', path, value: JSON.stringify([entry(60, 'deployment/payment')]) },
        ],
      ],
    ]);
    await reconcile(overriddenPolicy(JSON.stringify([entry(0)])));
    expect(sent[1]![2]).toMatchObject([{ op: 'test' }, { op: 'remove', path }]);
  });

  it('is left to whoever has changed it meanwhile, and tried again where the API server fails', async () => {
    answer = () => Promise.reject(new ApiError('PATCH', '/', 422, 'Invalid', 'the test failed'));
    expect(await reconcile(overriddenPolicy(JSON.stringify([entry(-1)])))).toBeUndefined();
    answer = () => Promise.reject(new ApiError('PATCH', '/', 500, 'InternalError', 'no'));
    await expect(reconcile(overriddenPolicy(JSON.stringify([entry(-1)])))).rejects.toThrow('no');
  });

  it('is nothing where the annotation says nothing that can be read', async () => {
    expect(await reconcile(overriddenPolicy('half'))).toBeUndefined();
    expect(await reconcile(undefined)).toBeUndefined();
    expect(sent).toEqual([]);
  });
});

describe('the condition Overridden', () => {
  it('says for what, and until when; it is not there without', () => {
    const look = { workload: 'deployment/payment', reportSeconds: 5, until: entry(20).until };
    expect(overridden(overriddenPolicy(JSON.stringify([entry(60), look])), NOW)).toEqual([
      true,
      'Temporary',
      `deployment/order: ratio 0.5 until ${entry(60).until}; deployment/payment: a report every 5 s until ${look.until}`,
    ]);
    expect(overridden(overriddenPolicy(JSON.stringify([entry(-1)])), NOW)).toBeUndefined();
    expect(overridden(overriddenPolicy('[]'), NOW)).toBeUndefined();
  });

  it('says what is wrong, with an example', () => {
    expect(overridden(overriddenPolicy('[{"workload":"order"}]'), NOW)).toEqual([
      false,
      'InvalidAnnotation',
      expect.stringMatching(/counts for nothing: \[0\]\.workload: .*Example: \[\{"workload":"deployment\/order"/),
    ]);
  });
});
