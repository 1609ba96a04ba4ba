import { describe, expect, it } from '@jest/globals';
import type { TracingPolicySpec } from '../crds/tracing-policy.ts';
import { injectPod, isAsked } from './inject.ts';
import type { Container, Pod } from './pod.ts';
import type { Resolution } from './resolve.ts';

const under = (spec?: TracingPolicySpec): Resolution => ({
  policy: spec && {
    kind: 'TracingPolicy',
    metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec,
  },
  document: undefined,
  candidates: [],
  agent: undefined,
  canary: undefined,
  credentials: [],
  problems: [],
});

describe('whether a pod is to be traced', () => {
  const yes = 'true';
  const no = 'false';
  it.each<[string, string | undefined, string | undefined, TracingPolicySpec | undefined, boolean | 'invalid', string]>(
    [
      ['nobody says anything', undefined, undefined, undefined, false, 'nobody'],
      ['the pod says yes', yes, undefined, undefined, true, 'pod'],
      ['the pod says yes, its namespace no', yes, no, undefined, true, 'pod'],
      ['the pod says no, namespace and policy yes', no, yes, { injection: 'All' }, false, 'pod'],
      ['the pod says something else', 'yes', yes, { injection: 'All' }, 'invalid', 'pod'],
      ['the namespace says yes', undefined, yes, undefined, true, 'namespace'],
      ['the namespace says no, the policy all', undefined, no, { injection: 'All' }, false, 'namespace'],
      ['the namespace says something else', undefined, 'enabled', undefined, false, 'nobody'],
      ['the policy says all', undefined, undefined, { injection: 'All' }, true, 'policy'],
      ['the policy says opt in', undefined, undefined, { injection: 'OptIn' }, false, 'nobody'],
      [
        'the policy says all and is switched off',
        undefined,
        undefined,
        { injection: 'All', enabled: false },
        false,
        'nobody',
      ],
    ],
  )('%s', (_name, annotation, label, spec, asked, by) => {
    const annotations = annotation === undefined ? {} : { 'tracing.acme/inject': annotation };
    const labels: Record<string, string> = label === undefined ? {} : { 'tracing.acme/inject': label };
    expect(isAsked(annotations, labels, under(spec))).toEqual({ asked, by });
  });
});

describe('which containers are traced', () => {
  const inject = (annotations: Record<string, string>, spec: TracingPolicySpec) => {
    const pod: Pod = {
      metadata: { annotations: { 'tracing.acme/inject': 'true', ...annotations } },
      spec: {
        initContainers: [{ name: 'migrate' }, { name: 'istio-proxy', restartPolicy: 'Always' }],
        containers: [{ name: 'app' }, { name: 'worker' }],
      },
    };
    const options = {
      agentImage: 'agent:1',
      agentImagePullPolicy: 'IfNotPresent',
      reporting: { url: 'https://operator/reports', ca: 'PEM' },
    };
    const { decisions } = injectPod(pod, { name: 'n', labels: {} }, under(spec), options);
    return decisions.filter(({ reason }) => reason === 'Injected').map(({ container }) => container);
  };
  const named = { 'tracing.acme/containers': 'worker' };

  it('are all but init containers and mesh sidecars', () => {
    expect(inject({}, {})).toEqual(['app', 'worker']);
  });

  it('are those that the policy names, init containers included, mesh sidecars never', () => {
    expect(inject({}, { containers: ['migrate', 'app', 'istio-proxy', 'elsewhere'] })).toEqual(['migrate', 'app']);
  });

  it('are those that the pod names, whatever the policy does', () => {
    expect(inject(named, { containers: ['app'] })).toEqual(['worker']);
  });
});

it('passes on what is wrong with the policy, as a warning', () => {
  const pod: Pod = {
    metadata: { annotations: { 'tracing.acme/inject': 'true' } },
    spec: { containers: [{ name: 'app' }] },
  };
  const resolution = { ...under({}), problems: ['something is wrong'] };
  const options = {
    agentImage: 'agent:1',
    agentImagePullPolicy: 'IfNotPresent',
    reporting: { url: 'https://operator/reports', ca: 'PEM' },
  };
  expect(injectPod(pod, { name: 'n', labels: {} }, resolution, options).decisions).toContainEqual({
    reason: 'PolicyProblem',
    message: 'something is wrong',
    warn: true,
  });
});

describe('annotations that would not fit', () => {
  const options = {
    agentImage: 'agent:1',
    agentImagePullPolicy: 'IfNotPresent',
    reporting: { url: 'https://operator/reports', ca: 'PEM' },
  };
  const document = {
    key: 'policy.p.json',
    revision: 'r',
    source: 's',
    spec: {
      sampling: { ratio: 1 },
      exporters: [],
      propagators: [],
      resource: { attributes: { large: 'x'.repeat(200 * 1024) } },
    },
  };
  const pod = (kilobytes: number): Pod => ({
    metadata: { annotations: { 'tracing.acme/inject': 'true', other: 'x'.repeat(kilobytes * 1024) } },
    spec: { containers: [{ name: 'app' }] },
  });

  it('leave the document to the ConfigMap', () => {
    const { pod: injected } = injectPod(pod(100), { name: 'n', labels: {} }, { ...under({}), document }, options);
    expect(injected.metadata?.annotations).toMatchObject({ 'tracing.acme/policy-key': 'policy.p.json' });
    expect(injected.metadata?.annotations).not.toHaveProperty(['tracing.acme/policy-document']);
    const small = injectPod(pod(1), { name: 'n', labels: {} }, { ...under({}), document }, options);
    expect(small.pod.metadata?.annotations).toHaveProperty(['tracing.acme/policy-document']);
  });

  it('leave the pod as it is where not even the rest fits', () => {
    const full = pod(250);
    const { pod: same, decisions } = injectPod(full, { name: 'n', labels: {} }, under({}), options);
    expect(same).toBe(full);
    expect(decisions).toMatchObject([{ reason: 'AnnotationsFull', warn: true }]);
  });
});

describe('a pod that has the agent already', () => {
  const options = { agentImage: 'agent:1', agentImagePullPolicy: 'IfNotPresent' };
  const again = (pod: Pod) => injectPod(pod, { name: 'n', labels: {} }, under({}), options).pod;
  const annotations = { 'tracing.acme/inject': 'true', 'tracing.acme/containers': 'migrate,sidecar,app' };
  const spec = {
    initContainers: [{ name: 'migrate' }, { name: 'sidecar', restartPolicy: 'Always' }],
    containers: [{ name: 'app' }],
  };
  const injected = again({ metadata: { annotations }, spec });
  const [agent, migrate, sidecar] = injected.spec.initContainers!;
  const mesh = { name: 'istio-proxy', restartPolicy: 'Always' };
  const ordered = (...initContainers: Container[]) => {
    const pod = { ...injected, spec: { ...injected.spec, initContainers } };
    return { pod, after: again(pod) };
  };

  it('has it before every container that loads it', () => {
    expect([agent, migrate, sidecar].map((container) => container?.name)).toEqual([
      'tracing-acme-agent',
      'migrate',
      'sidecar',
    ]);
  });

  it('is left as it is where others have put before it what does not load it', () => {
    const { pod, after } = ordered(mesh, agent!, migrate!, sidecar!);
    expect(after).toBe(pod);
  });

  it('gets it moved to before what loads it: Node ends where the file is not there yet', () => {
    const names = (...list: Container[]) => ordered(...list).after.spec.initContainers?.map(({ name }) => name);
    const right = ['istio-proxy', 'tracing-acme-agent', 'migrate', 'sidecar'];
    expect(names(mesh, migrate!, agent!, sidecar!)).toEqual(right);
    expect(names(mesh, migrate!, sidecar!, agent!)).toEqual(right);
  });
});

it('refers to pull secrets for the agent where the pod does not yet', () => {
  const options = { agentImage: 'agent:1', agentImagePullPolicy: 'IfNotPresent', agentImagePullSecrets: ['a', 'b'] };
  const pod: Pod = {
    metadata: { annotations: { 'tracing.acme/inject': 'true' } },
    spec: { containers: [{ name: 'app' }], imagePullSecrets: [{ name: 'own' }, { name: 'a' }] },
  };
  const { pod: injected } = injectPod(pod, { name: 'n', labels: {} }, under({}), options);
  expect(injected.spec.imagePullSecrets).toEqual([{ name: 'own' }, { name: 'a' }, { name: 'b' }]);
});
