import { describe, expect, it } from '@jest/globals';
import type { Facts } from './facts.ts';
import { mistakes } from './mistakes.ts';

type Written = Record<string, string>;

describe('what is written where nobody reads it', () => {
  const found = (
    {
      own = {},
      labels = {},
      template = {},
      ofNamespace = {},
    }: { own?: Written; labels?: Written; template?: Written; ofNamespace?: Partial<Facts> },
    kind = 'Deployment',
  ) =>
    mistakes(
      {
        workload: { kind, apiVersion: 'apps/v1', metadata: { name: 'web', annotations: own, labels }, spec: {} },
        namespace: 'shop',
        ...ofNamespace,
      },
      { annotations: template },
      'kubectl -n shop',
      'deployment/web',
    ).map(({ text, next }) => `${text} -> ${next}`);

  it('is nothing where all is right', () => {
    const template = {
      'tracing.acme/policy': 'p',
      'tracing.acme/containers': 'app',
      'tracing.acme/inject-from-workload': 'true',
      'tracing.acme/restarted-at': '2026-11-30T12:00:00Z',
    };
    expect(found({ own: { 'tracing.acme/inject': 'true', 'example.com/inject': 'x' }, template })).toEqual([]);
    expect(found({ own: template }, 'Pod')).toEqual([]);
    expect(found({ ofNamespace: { namespaceLabels: { 'tracing.acme/inject': 'false' } } })).toEqual([]);
  });

  it.each<[string, Parameters<typeof found>[0], RegExp]>([
    [
      'a name that is none',
      { own: { 'tracing.acme/injcet': 'true' } },
      /injcet of the Deployment is none that we know: is tracing\.acme\/inject meant\?/,
    ],
    [
      'one that is like none',
      { template: { 'tracing.acme/sampling': '1' } },
      /sampling of the pod template is none that we know -> docs/,
    ],
    [
      'a label of the workload',
      { labels: { 'tracing.acme/inject': 'true' } },
      /is a label of the Deployment, and has to be an annotation -> kubectl -n shop annotate --overwrite deployment\/web tracing\.acme\/inject=true/,
    ],
    [
      'what somebody writes for a shell, on the workload',
      { own: { 'tracing.acme/containers': "a'; id; '" } },
      /"a'\\''; id; '\\''"\}.*'$/,
    ],
    [
      'what somebody writes for a shell, on the namespace',
      { ofNamespace: { namespaceAnnotations: { 'tracing.acme/inject': 'true; id' } } },
      /kubectl label namespace shop tracing\.acme\/inject=true$/,
    ],
    [
      'what pods say, on the workload',
      { own: { 'tracing.acme/policy': 'p' } },
      /counts on the pod template alone.* -> kubectl -n shop patch deployment\/web --type merge -p '\{"spec":\{"template":\{"metadata":\{"annotations":\{"tracing\.acme\/policy":"p"\}\}\}\}\}'/,
    ],
    [
      'a label of the namespace that is neither',
      { ofNamespace: { namespaceLabels: { 'tracing.acme/inject': 'yes' } } },
      /=yes of namespace shop is neither true nor false.* -> kubectl label --overwrite namespace shop tracing\.acme\/inject=true/,
    ],
    [
      'an annotation of the namespace',
      { ofNamespace: { namespaceAnnotations: { 'tracing.acme/inject': 'true' } } },
      /is an annotation of namespace shop, and has to be a label -> kubectl label namespace shop tracing\.acme\/inject=true/,
    ],
  ])('%s', (_what, given, expected) => {
    expect(found(given)).toEqual([expect.stringMatching(expected)]);
  });
});
