import { describe, expect, it } from '@jest/globals';
import type { TracingPolicySpec } from '../../crds/tracing-policy.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import { InputError } from '../input-error.ts';
import { plain } from '../output.ts';
import { explain } from './explanation.ts';
import type { Facts, LivePod } from './facts.ts';
import { kindCalled, parseWorkload } from './kinds.ts';
import { rolledBack } from '../../operator/rollout/sample-restart.ts';
import { layOut } from './layout.ts';
import { exporters, facts, INSTALLATION, pod, policy } from './sample-facts.ts';

const explained = (given: Facts) => {
  const made = explain(given);
  return { ...made, text: layOut(made, plain) };
};
const problems = (given: Facts) => explained(given).problems.map(({ text, next }) => `${text} -> ${next}`);

describe('explain', () => {
  it('finds nothing wrong where nothing is', () => {
    const { text, problems } = explained(facts());
    expect(problems).toEqual([]);
    expect(text).toContain('yes, by the annotation tracing.acme/inject: "true" on its pod template');
    expect(text).toMatch(/No problem found\.\n$/);
  });

  it('takes what somebody wants so for no problem, and says how to have it otherwise', () => {
    const off = explained(facts({ namespaced: [policy('p', { enabled: false })] }));
    expect(off.problems).toEqual([]);
    expect(off.text).toMatch(
      /No problem found\.\nTracingPolicy shop\/p is switched off \(enabled: false\)\. To switch it on: kubectl -n shop patch tracingpolicy p --type merge -p '\{"spec":\{"enabled":true\}\}'\n$/,
    );
    const none = facts({ digest: undefined as never });
    (none.workload['spec'] as { replicas?: number }).replicas = 0;
    expect(explained(none).text).toMatch(
      /^Pods: +none: it is scaled to 0$[^]*No problem found\.\nIt is scaled to 0, so that no pod of it runs\. To have it run: kubectl -n shop scale statefulset\/web --replicas=1\n$/m,
    );
    (none.workload['spec'] as { replicas?: number }).replicas = 2;
    expect(problems(none)).toEqual(['it has no pod, and 2 are asked for -> kubectl -n shop describe statefulset/web']);
  });

  it('says how it stands with a restart by the operator', () => {
    const restart = rolledBack('container app ended 3 times');
    expect(JSON.stringify(explain(facts({ restart })))).toContain('RolledBack: container app ended 3 times');
    expect(JSON.stringify(explain(facts()))).not.toContain('RolledBack');
  });

  it('corrects a value on the pod template where it is', () => {
    const given = facts({}, { 'tracing.acme/inject': 'yes' });
    expect(problems(given)).toEqual([
      expect.stringMatching(
        /"yes" is neither .* -> kubectl -n shop patch statefulset\/web --type merge -p '\{"spec":\{"template":\{"metadata":\{"annotations":\{"tracing\.acme\/inject":"true"\}\}\}\}\}'$/,
      ),
    ]);
  });

  it.each<[string, Partial<Facts>, string | RegExp]>([
    [
      'no definitions',
      { namespaced: undefined as never },
      'the cluster has no TracingPolicies: the operator is not installed -> helm list -A',
    ],
    [
      'no replica that is ready',
      { installation: { ...INSTALLATION, readyReplicas: 0 } },
      /^no replica of the operator in tracing-system is ready: .* -> kubectl -n tracing-system describe pods -l /,
    ],
    [
      'an excluded namespace',
      {
        installation: {
          ...INSTALLATION,
          reach: { only: [], excluded: ['kube-system', 'tracing-system', 'shop', 'b'] },
        },
      },
      /^pods of namespace shop are never looked at: the chart's webhook\.excludedNamespaces names it -> helm upgrade op charts\/tracing-operator -n tracing-system --reuse-values --set-json 'webhook\.excludedNamespaces=\["b"\]' # or ask /,
    ],
    [
      'a namespace that is not among the only ones',
      {
        installation: { ...INSTALLATION, reach: { only: ['a', 'b'], excluded: ['kube-system', 'tracing-system'] } },
        pods: [pod('web-0')],
      },
      /^pods of namespace shop are never looked at: the chart's webhook\.namespaces does not contain it -> helm upgrade op .* --set-json 'webhook\.namespaces=\["a","b","shop"\]' # or ask /,
    ],
    [
      "the operator's own namespace",
      {
        installation: { ...INSTALLATION, namespace: 'shop', reach: { only: [], excluded: ['kube-system', 'shop'] } },
        pods: [pod('web-0')],
      },
      /^pods of namespace shop are never looked at: the operator itself runs there/,
    ],
    [
      'a Job that was annotated when it was there',
      {
        kind: kindCalled('job'),
        workload: {
          kind: 'Job',
          apiVersion: 'batch/v1',
          metadata: { name: 'web', annotations: { 'tracing.acme/inject': 'true' } },
          spec: { template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'app' }] } } },
        },
      },
      /^the annotation was not copied to the pod template, which of a Job cannot be changed: it has to be there when the Job is created -> kubectl -n shop get job\/web -o yaml/,
    ],
    [
      'no policy',
      { namespaced: [] },
      /^no policy applies, so nothing is recorded -> kubectl -n shop apply -f - <<< '\{"apiVersion":"tracing\.acme/,
    ],
    [
      'no exporter',
      { namespaced: [policy('p', {})] },
      /^TracingPolicy shop\/p has no exporter, .* -> kubectl -n shop patch tracingpolicy p --type merge -p '\{"spec":\{"exporters":\[\{"name":"default","endpoint":"http:\/\/COLLECTOR\.NAMESPACE:4318"\}\]\}\}' # with the OTLP endpoint of your/,
    ],
    [
      'a selector that misses the pods',
      { namespaced: [policy('p', { exporters, selector: { matchLabels: { app: 'wep' } } })] },
      'no policy applies, so nothing is recorded: TracingPolicy shop/p does not match, as its selector (app=wep) is not met by the labels of the pods (app=web) -> kubectl -n shop edit tracingpolicy p # spec.selector, or the labels',
    ],
    [
      'a namespace that no policy of the cluster selects',
      {
        namespaced: [],
        cluster: [
          {
            ...policy('wide', {}),
            kind: 'ClusterTracingPolicy',
            spec: { namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'In', values: ['a', 'b'] }] } },
          },
        ],
      },
      /ClusterTracingPolicy wide does not match, as its namespaceSelector \(team In \(a, b\)\) is not met by the labels of namespace shop \(none\) -> kubectl edit clustertracingpolicy wide # spec\.namespaceSelector/,
    ],
    [
      'an operator that is scaled to 0',
      { installation: { ...INSTALLATION, readyReplicas: 0, replicas: 0 } },
      /from before\. Pods that are traced go on -> kubectl -n tracing-system scale deployment\/op --replicas=2$/,
    ],
    [
      'a policy that cannot be read',
      { unreadable: ['TracingPolicy x: why'] },
      /^TracingPolicy x: why: the operator ignores it/,
    ],
    [
      'a pod from before',
      { pods: [pod('web-0')] },
      'pod web-0 has no agent: it was made before tracing was asked for, or while the operator was away -> kubectl -n shop rollout restart statefulset/web',
    ],
    [
      'many such pods',
      { pods: [pod('web-0'), pod('web-1'), pod('web-2')] },
      /^pod web-0 has no agent: .* \(and 2 more of its pods\)/,
    ],
    [
      'a pod under another policy',
      {
        pods: [
          pod('web-0', {
            injected: true,
            annotations: { 'tracing.acme/policy-key': 'x.json', 'tracing.acme/policy-revision': '1' },
          }),
        ],
      },
      /^pod web-0 was not told of the newest policy: x\.json 1, not policy\.default\.json \w+ -> kubectl -n tracing-system logs deployment\/op$/,
    ],
    [
      'an agent that cannot be had',
      {
        outages: [
          { agent: 'a IfNotPresent', since: 0, until: 1, failures: 1, reason: 'ErrImagePull', message: 'gone' },
        ],
        pods: [pod('web-0', { annotations: { 'tracing.acme/status': '{"injected":[],"reason":"AgentUnavailable"}' } })],
      },
      /^new pods of the namespace start without the agent \(a IfNotPresent\), .*: ErrImagePull: gone -> kubectl -n shop get events --field-selector reason=AgentUnavailable$/,
    ],
    [
      'a pod from when it could not be had',
      {
        pods: [pod('web-0', { annotations: { 'tracing.acme/status': '{"injected":[],"reason":"AgentUnavailable"}' } })],
      },
      'pod web-0 started without the agent, which could not be had then -> kubectl -n shop rollout restart statefulset/web',
    ],
    [
      'what agents report',
      {
        namespaced: [
          policy(
            'default',
            { exporters },
            {
              pods: { matched: 1 },
              workloads: [
                {
                  namespace: 'shop',
                  kind: 'StatefulSet',
                  name: 'web',
                  reason: 'ExportFailing',
                  pods: 1,
                  message: 'exporter default: refused',
                },
                { namespace: 'shop', kind: 'StatefulSet', name: 'web', reason: 'NotInstrumented', pods: 1 },
                { namespace: 'shop', kind: 'StatefulSet', name: 'another', reason: 'AgentFailed', pods: 1 },
              ],
            },
          ),
        ],
      },
      'agents report ExportFailing in 1 pod: exporter default: refused -> kubectl -n shop edit tracingpolicy default # the exporter default: endpoint http://collector:4318',
    ],
  ])('names %s, and what to type', (_what, more, expected) => {
    const found = problems(facts(more));
    expect(found).toHaveLength(1);
    if (typeof expected === 'string') expect(found[0]).toBe(expected);
    else expect(found[0]).toMatch(expected);
  });

  it('names what admission decides against', () => {
    const asked = { 'tracing.acme/inject': 'true' };
    expect(problems(facts({}, { ...asked, 'oneagent.dynatrace.com/inject': 'true' }))).toEqual([
      expect.stringMatching(/^OtherTracer: .*Dynatrace.* -> kubectl -n shop edit statefulset\/web # OtherTracer/),
    ]);
    expect(problems(facts({}, { ...asked, 'tracing.acme/policy': 'gone' }))).toEqual([
      expect.stringMatching(/names gone.* -> kubectl -n shop get tracingpolicy$/),
    ]);
  });

  it('says in short how a policy samples', () => {
    const line = (sampling: NonNullable<TracingPolicySpec['sampling']>) =>
      /^Policy: +(.*), to /m.exec(explained(facts({ namespaced: [policy('p', { exporters, sampling })] })).text)?.[1];
    expect(line({ ratio: 0.1 })).toBe('TracingPolicy shop/p: ratio 0.1');
    expect(line({ parentBased: false, rules: [{ paths: ['/health'], drop: true }] })).toBe(
      'TracingPolicy shop/p: ratio 1, but for what a rule is about, whatever a caller decided',
    );
  });

  it('knows of namespaces that are taken over from opentelemetry-operator', () => {
    const theirs = { 'instrumentation.opentelemetry.io/inject-nodejs': 'true' };
    const { text, problems } = explained(facts({ installation: { ...INSTALLATION, takenOver: ['shop'] } }, theirs));
    expect(problems).toEqual([]);
    expect(text).toContain('inject-nodejs asks for it, and the namespace is taken over');
    expect(text).toContain('app: gets the agent');
    expect(explained(facts({}, theirs)).text).toContain('no: neither the workload nor its namespace nor a policy does');
  });

  it('names a copy of the annotation that does not follow its workload', () => {
    const mark = { 'tracing.acme/inject': 'true', 'tracing.acme/inject-from-workload': 'true' };
    expect(problems(facts({}, mark))).toEqual([
      expect.stringMatching(
        /^the annotation is gone from the StatefulSet, .* -> kubectl -n shop rollout restart statefulset\/web$/,
      ),
    ]);
    const written = facts({}, {});
    written.workload.metadata.annotations = { 'tracing.acme/inject': 'true' };
    expect(problems(written)).toEqual([expect.stringMatching(/^the annotation was not copied to the pod template/)]);
  });

  it('says of an init container that cannot run why, and whose image it is', () => {
    const waiting = { reason: 'ImagePullBackOff', message: 'x'.repeat(300) };
    const stuck = pod('web-1', {
      injected: true,
      created: '2026-01-02T00:00:00Z',
      annotations: { 'tracing.acme/policy-key': 'none', 'tracing.acme/policy-revision': 'none' },
      status: { phase: 'Pending', initContainerStatuses: [{ name: 'tracing-acme-agent', state: { waiting } }] },
    });
    const { text, problems: found } = explained(facts({ pods: [pod('web-0'), stuck] }));
    expect(text).toContain('web-0: Running, 1 of 1 ready; no agent; new pods take its place');
    expect(found).toEqual([
      {
        text: `pod web-1 cannot start: the init container tracing-acme-agent (image agent:1, from the chart) says ImagePullBackOff (${'x'.repeat(160)}…)`,
        next: 'kubectl -n shop describe pod web-1',
        link: 'injected',
      },
    ]);
  });

  it('says of a volume of ours that cannot be mounted that it is ours', () => {
    const stuck = pod('web-1', {
      injected: true,
      annotations: { 'tracing.acme/policy-key': 'none', 'tracing.acme/policy-revision': 'none' },
      status: { phase: 'Pending' },
    });
    const of = (warning: string) =>
      explained(facts({ namespaced: [], pods: [stuck], warnings: new Map([['web-1', warning]]) })).problems.map(
        ({ text }) => text,
      );
    expect(
      of('MountVolume.SetUp failed for volume "tracing-acme-policy" : failed to fetch token: forbidden'),
    ).toContainEqual(
      expect.stringMatching(
        /^pod web-1 cannot start: its volume tracing-acme-policy, which is the operator's, .*failed to fetch token/,
      ),
    );
    expect(of('Unable to attach or mount volumes: unmounted volumes=[tracing-acme-policy], timed out')).toContainEqual(
      expect.stringMatching(/^pod web-1 cannot start: its volume tracing-acme-policy/),
    );
    expect(of('MountVolume.SetUp failed for volume "data" : no such disk').join()).not.toContain('cannot start');
  });

  it('knows that the annotation of a Rollout of Argo does not count, and that its template does', () => {
    const kind = kindCalled('rollouts.argoproj.io');
    const rollout = (template: Record<string, string>, own: Record<string, string> = {}, pods: LivePod[] = []) => {
      const made = facts({ kind, pods }, template);
      Object.assign(made.workload, { kind: 'Rollout', apiVersion: 'argoproj.io/v1alpha1' });
      made.workload.metadata.annotations = own;
      return made;
    };
    const patch = `kubectl -n shop patch rollout/web --type merge -p '{"spec":{"template":{"metadata":{"annotations":{"tracing.acme/inject":"true"}}}}}'`;
    expect(explained(rollout({})).text).toContain(`To have it traced: ${patch}`);
    expect(problems(rollout({}, { 'tracing.acme/inject': 'true' }))).toEqual([
      `the annotation of a Rollout does not count: write it on its pod template, or on what made it -> ${patch}`,
    ]);
    expect(problems(rollout({ 'tracing.acme/inject': 'true' }, {}, [pod('web-0')]))).toEqual([
      expect.stringMatching(/^pod web-0 has no agent: .* -> kubectl argo rollouts -n shop restart web$/),
    ]);
  });

  it('shows what agents report, and of whose pods', () => {
    const digest: Digest = {
      ...{ kind: 'StatefulSet', name: 'web', writtenAt: '2026-01-01T11:59:00Z' },
      facts: {
        ...{
          pods: 1,
          processes: 1,
          agents: { '0.1.0': 1 },
          nodes: { 'v24.1.0': 1 },
          policies: { 'policy.default.json 1': 1 },
        },
        ...{ libraries: { 'express@5.1.0': 1 }, uninstrumented: {}, problems: [], troubles: [], failures: [] },
      },
      numbers: { spans: { started: 2, sampled: 1, exported: 1 }, exporters: {}, signals: {} },
    };
    expect(explained(facts({ digest })).text).toMatch(/^Reports: +as of 60 s ago: 1 process in 1 pod, agent 0\.1\.0/m);
    expect(explained(facts({ digest: { ...digest, name: 'other' } })).text).toMatch(
      /^Reports: +of all pods of StatefulSet other$/m,
    );
    expect(explained(facts()).text).not.toContain('Reports:');
  });

  it('says why each policy is in force or is not', () => {
    const namespaced = [
      policy('a', { exporters }),
      policy('b', { exporters }),
      policy('c', { exporters, priority: 1 }),
      policy('d', { selector: { matchLabels: { app: 'x' } } }),
    ];
    namespaced[1]!.metadata.creationTimestamp = '2025-01-01T00:00:00Z';
    const wide = (name: string, spec: object) => ({ ...policy(name, {}), kind: 'ClusterTracingPolicy' as const, spec });
    const cluster = [wide('all', {}), wide('else', { namespaceSelector: { matchLabels: { team: 'x' } } })];
    const lines = (given: Facts) =>
      explained(given)
        .text.split('\n')
        .map((line) => line.replace(/^Candidates:/, '').trim());
    const text = lines(facts({ namespaced, cluster }));
    expect(text).toEqual(
      expect.arrayContaining([
        'TracingPolicy shop/c: in force: a TracingPolicy of the namespace selects the pods',
        'TracingPolicy shop/b: does not come into force: TracingPolicy shop/c comes before it, by priority, 1 before 0',
        'ClusterTracingPolicy all: does not come into force: TracingPolicy shop/c comes before it, as a TracingPolicy of the namespace selects the pods',
        'ClusterTracingPolicy else: does not match: its namespaceSelector is not met by the labels of the namespace (none)',
        'TracingPolicy shop/d: does not match: its selector is not met by the labels of the pods (app=web)',
      ]),
    );
    const older = lines(facts({ namespaced: namespaced.slice(0, 2) }));
    expect(older).toContain(
      'TracingPolicy shop/a: does not come into force: TracingPolicy shop/b comes before it, as the older one',
    );
  });

  it('claims nothing that it could not read', () => {
    const {
      cluster: _,
      installation: __,
      ...some
    } = facts({ namespaced: [policy('p', {})], closed: ['ClusterTracingPolicies: x'] });
    const told = pod('web-0', {
      injected: true,
      annotations: { 'tracing.acme/policy-key': 'a.json', 'tracing.acme/policy-revision': '1' },
    });
    const { text, problems } = explained({ ...some, pods: [told] });
    expect(problems).toEqual([]);
    expect(text).toContain("nowhere, unless the chart's default says where");
    expect(text).toContain('You may not read:');
  });
});

describe('the name of a workload', () => {
  it.each([
    [['deployment/web'], 'Deployment'],
    [['deploy', 'web'], 'Deployment'],
    [['deployments.apps/web'], 'Deployment'],
    [['sts/web'], 'StatefulSet'],
    [['CronJob/web'], 'CronJob'],
    [['po/web'], 'Pod'],
    [['web'], undefined],
  ])('%j', (words, kind) => {
    const parsed = parseWorkload(words);
    expect([parsed.kind?.kind, parsed.name]).toEqual([kind, 'web']);
  });

  it.each([
    [[], /one workload is expected, e\.g\. kubectl tracing explain deployment\/web/],
    [['deployment'], /"deployment" does not say which one, e\.g\. kubectl tracing explain deployment\/web/],
    [['deployment/'], /"deployment\/" does not say which one/],
    [['deploymnt/web'], /Did you mean deployment\?/],
    [['deployment/a/b'], /one workload is expected/],
    [['deployment', 'a', 'b'], /one workload is expected/],
    [['deployment/a', 'deployment/b'], /one workload is expected/],
    [
      ['cloneset/web'],
      /"cloneset" is none of deployment, .* look at one of its pods: kubectl tracing explain pod\/NAME/,
    ],
  ])('not %j', (words, message) => {
    expect(() => parseWorkload(words)).toThrow(message);
    expect(() => parseWorkload(words)).toThrow(InputError);
  });
});
