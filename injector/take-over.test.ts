import { describe, expect, it } from '@jest/globals';
import { applyPatch } from 'rfc6902';
import type { Operation } from 'rfc6902';
import type { AdmitContext } from '../webhook/admit.ts';
import { admit } from '../webhook/admit.ts';
import type { Pod } from './pod.ts';
import { takeOver } from './take-over.ts';

const THEIRS = 'instrumentation.opentelemetry.io/inject-nodejs';
const pod = (annotations: Record<string, string> = {}): Pod => ({
  kind: 'Pod',
  metadata: { name: 'web', annotations },
  spec: { containers: [{ name: 'app' }, { name: 'sidecar' }] },
});

describe('a pod is taken over', () => {
  it.each([
    ['true', undefined],
    ['True', undefined],
    ['my-instrumentation', undefined],
    ['other/my-instrumentation', 'false'],
    [undefined, 'true'],
    ['', 'my-instrumentation'],
    ['true', 'false'],
  ])('that says %p, in a namespace that says %p', (own, byNamespace) => {
    const before = pod(own === undefined ? {} : { [THEIRS]: own });
    expect(takeOver(before, byNamespace)?.metadata?.annotations).toEqual({
      [THEIRS]: 'false',
      'tracing.acme/inject': 'true',
    });
  });

  it.each([
    [undefined, undefined],
    ['', undefined],
    [undefined, 'false'],
    ['false', 'true'],
    ['FALSE', 'true'],
  ])('not when it says %p and its namespace %p', (own, byNamespace) => {
    expect(takeOver(pod(own === undefined ? {} : { [THEIRS]: own }), byNamespace)).toBeUndefined();
  });

  it.each([
    ['true', true],
    ['false', false],
    ['yes', false],
  ])('that says %p to us: %p', (ours, taken) => {
    const both = pod({ [THEIRS]: 'true', 'tracing.acme/inject': ours });
    expect(takeOver(both, undefined) !== undefined).toBe(taken);
  });

  it('in the containers that it names to them, unless it names some to us', () => {
    const common = { [THEIRS]: 'true', 'instrumentation.opentelemetry.io/container-names': 'app,other' };
    const containers = (annotations: Record<string, string>) =>
      takeOver(pod(annotations), undefined)?.metadata?.annotations?.['tracing.acme/containers'];
    expect(containers(common)).toBe('app,other');
    const nodejs = { ...common, 'instrumentation.opentelemetry.io/nodejs-container-names': 'app' };
    expect(containers(nodejs)).toBe('app');
    expect(containers({ ...nodejs, 'tracing.acme/containers': 'sidecar' })).toBe('sidecar');
  });
});

describe('the webhook for namespaces that are taken over', () => {
  const context = (byNamespace: Record<string, string> = {}): AdmitContext => ({
    policies: () => ({ namespaced: [], cluster: [], defaults: {} }),
    namespaceLabels: () => ({}),
    whyNoAgent: () => undefined,
    whyRolledBack: () => undefined,
    isCanary: () => false,
    meshes: () => ({}),
    namespaceAnnotations: () => byNamespace,
    options: {
      agentImage: 'agent:1',
      agentImagePullPolicy: 'IfNotPresent',
      reporting: { url: 'https://operator/reports', ca: 'PEM' },
    },
  });
  function sent(object: Pod, byNamespace?: Record<string, string>) {
    const request = {
      uid: 'u',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      namespace: 'shop',
      operation: 'CREATE' as const,
      object: object as unknown as Record<string, unknown>,
    };
    const { reply, decisions } = admit(request, 'take-over', context(byNamespace));
    const result = structuredClone(object);
    expect(applyPatch(result, (reply.patch ?? []) as Operation[]).filter(Boolean)).toEqual([]);
    return { result, reply, reasons: decisions.map(({ reason }) => reason) };
  }

  it('injects and tells opentelemetry-operator no in one patch, and does nothing when it is asked again', () => {
    const { result, reasons } = sent(pod({ [THEIRS]: 'true' }));
    expect(reasons).toEqual(['TakenOver', 'Injected', 'Injected']);
    expect(result.spec.initContainers).toHaveLength(1);
    expect(result.metadata?.annotations).toMatchObject({ [THEIRS]: 'false', 'tracing.acme/inject': 'true' });
    expect(JSON.parse(result.metadata!.annotations!['tracing.acme/status']!)).toEqual({ injected: ['app', 'sidecar'] });
    expect(sent(result).reply.patch ?? []).toEqual([]);
  });

  it("goes by the namespace's annotation", () => {
    expect(sent(pod(), { [THEIRS]: 'true' }).reasons).toContain('TakenOver');
    expect(sent(pod(), {}).reasons).toEqual([]);
  });

  it('leaves to opentelemetry-operator, untouched, what it does not inject itself', () => {
    const other = pod({ [THEIRS]: 'true' });
    other.spec.containers = [{ name: 'app', args: ['--require', 'dd-trace/init'] }];
    const { result, reply, reasons } = sent(other);
    expect(reasons).toEqual(['OtherTracer', 'NoContainer']);
    expect(result).toEqual(other);
    expect(reply.warnings).toHaveLength(2);
    const theirs = pod({ [THEIRS]: 'true' });
    theirs.spec.initContainers = [{ name: 'opentelemetry-auto-instrumentation-nodejs' }];
    expect(sent(theirs).result).toEqual(theirs);
  });
});
