import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { JSON_PATCH, KubeClient, MERGE_PATCH } from '../../operator/kube/client.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import { OPERATOR } from '../demo/deploy.ts';
import { withOperator, untilUsable } from './installation.ts';
import { stolenToken } from './stolen-token.ts';

const ACCOUNT = `system:serviceaccount:${OPERATOR.namespace}:${OPERATOR.release}`;
const OURS = { 'tracing.acme/test': 'x' };
const CLUSTER_NAME = `${OPERATOR.release}.${OPERATOR.namespace}`;
const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';

/** What somebody who has stolen the operator's token can do: tried with such a token. */
describe("the operator's own ServiceAccount", () => {
  const namespace = `secure-${randomBytes(3).toString('hex')}`;
  let cluster: Cluster;
  let thief: KubeClient;
  const admin = KubeClient.fromDefault();
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const may = async (user: string, verb: string, resource: string): Promise<boolean> =>
    (
      await cluster.run('sh', [
        '-c',
        'kubectl "$@" 2>/dev/null || true',
        'sh',
        '-n',
        namespace,
        'auth',
        'can-i',
        verb,
        resource,
        `--as=${user}`,
      ])
    ).trim() === 'yes';

  const paths: Record<string, string> = {
    pod: `/api/v1/namespaces/${namespace}/pods/target`,
    namespace: `/api/v1/namespaces/${namespace}`,
    ...Object.fromEntries(
      ['deployment', 'statefulset', 'daemonset', 'replicaset'].map((kind) => [
        kind,
        `/apis/apps/v1/namespaces/${namespace}/${kind}s/target`,
      ]),
    ),
    job: `/apis/batch/v1/namespaces/${namespace}/jobs/target`,
    cronjob: `/apis/batch/v1/namespaces/${namespace}/cronjobs/target`,
    policy: `/apis/tracing.acme/v1alpha1/namespaces/${namespace}/tracingpolicies/target`,
  };
  const merge = (path: string, body: unknown) => thief.request('PATCH', path, { contentType: MERGE_PATCH, body });
  const replace = (path: string, pointer: string, value: unknown) =>
    thief.request('PATCH', path, { contentType: JSON_PATCH, body: [{ op: 'replace', path: pointer, value }] });
  const template = (kind: string, metadata: unknown) => {
    const spec = { template: { metadata } };
    return { spec: kind === 'cronjob' ? { jobTemplate: { spec } } : spec };
  };

  beforeAll(async () => {
    ({ cluster } = await withOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await kubectl('label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=baseline');
    await untilUsable(cluster, namespace, 20_000);
    await cluster.run('kubectl', ['apply', '-f', '-'], { input: JSON.stringify(objects(namespace)) });
    thief = await stolenToken(cluster);
  }, 180_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'clusterrolebinding', namespace], { tolerant: true });
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
    thief.close();
    admin.close();
  }, 30_000);

  describe('has by RBAC', () => {
    it('no Secret outside its own namespace, nor any but its own there', async () => {
      for (const path of [
        `/api/v1/namespaces/${namespace}/secrets/password`,
        `/api/v1/namespaces/${namespace}/secrets`,
        '/api/v1/secrets',
        `/api/v1/namespaces/${OPERATOR.namespace}/secrets`,
      ])
        await expect(thief.request('GET', path)).rejects.toMatchObject({ status: 403 });
    });

    it('no way to start, change or end what others run', async () => {
      for (const [verb, resource] of [
        ['create', 'pods'],
        ['update', 'pods'],
        ['deletecollection', 'pods'],
        ['create', 'pods/eviction'],
        ['create', 'pods/exec'],
        ['create', 'deployments.apps'],
        ['update', 'namespaces'],
        ['create', 'serviceaccounts/token'],
        ['create', 'rolebindings.rbac.authorization.k8s.io'],
        ['impersonate', 'serviceaccounts'],
        ['create', 'leases.coordination.k8s.io'],
      ] as const)
        expect([verb, resource, await may(ACCOUNT, verb, resource)]).toEqual([verb, resource, false]);
    }, 60_000);

    it('what it needs to tell a pod of its policy, and people by events', async () => {
      await merge(`${paths.pod}/status`, { metadata: { annotations: { 'tracing.acme/policy-key': 'policy.a.json' } } });
      for (const verb of ['create', 'patch']) expect(await may(ACCOUNT, verb, 'events.events.k8s.io')).toBe(true);
    });
  });

  describe('were it given every right by mistake,', () => {
    beforeAll(async () => {
      await cluster.run('kubectl', [
        ...['create', 'clusterrolebinding', namespace, '--clusterrole=cluster-admin'],
        `--serviceaccount=${OPERATOR.namespace}:${OPERATOR.release}`,
      ]);
      // From here on it is the admission policy alone that refuses.
      await until('RBAC still hides what the admission policy does', 20_000, () => may(ACCOUNT, 'create', 'pods'));
      const secret = `/api/v1/namespaces/${namespace}/secrets/password`;
      expect(await thief.request('GET', secret)).toMatchObject({ kind: 'Secret' });
    }, 60_000);

    it.each<[string, () => Promise<unknown>, RegExp]>([
      ["a pod's image", () => replace(paths.pod!, '/spec/containers/0/image', 'evil:1'), /refused: spec containers/],
      [
        "a Deployment's image",
        () => replace(paths.deployment!, '/spec/template/spec/containers/0/image', 'evil:1'),
        /refused: the pod template spec/,
      ],
      [
        "a StatefulSet's command",
        () =>
          thief.request('PATCH', paths.statefulset!, {
            contentType: JSON_PATCH,
            body: [{ op: 'add', path: '/spec/template/spec/containers/0/command', value: ['sh'] }],
          }),
        /refused: the pod template spec/,
      ],
      [
        "a CronJob's image",
        () => replace(paths.cronjob!, '/spec/jobTemplate/spec/template/spec/containers/0/image', 'evil:1'),
        /refused: the pod template spec/,
      ],
      ["a CronJob's schedule", () => merge(paths.cronjob!, { spec: { schedule: '* * * * *' } }), /spec of a CronJob/],
      [
        "a CronJob's way to end",
        () => merge(paths.cronjob!, { spec: { jobTemplate: { spec: { backoffLimit: 9 } } } }),
        /refused: spec backoffLimit/,
      ],
      [
        "labels of a CronJob's Jobs",
        () => merge(paths.cronjob!, { spec: { jobTemplate: { metadata: { labels: { a: 'b' } } } } }),
        /spec of a CronJob/,
      ],
      ["a Job's suspension", () => merge(paths.job!, { spec: { suspend: false } }), /refused: spec suspend/],
      ["a ReplicaSet's size", () => merge(paths.replicaset!, { spec: { replicas: 3 } }), /refused: spec replicas/],
      [
        "a Deployment's size by its scale",
        () => merge(`${paths.deployment}/scale`, { spec: { replicas: 3 } }),
        /may only change annotations and labels, not UPDATE deployments\/scale/,
      ],
      [
        "the way kubectl restarts a DaemonSet's pods",
        () =>
          merge(paths.daemonset!, template('daemonset', { annotations: { 'kubectl.kubernetes.io/restartedAt': 'x' } })),
        /refused: annotations of the pod template kubectl\.kubernetes\.io\/restartedAt/,
      ],
      [
        "a foreign label on a Deployment's template",
        () => merge(paths.deployment!, template('deployment', { labels: { 'sidecar.istio.io/inject': 'false' } })),
        /refused: labels of the pod template sidecar\.istio\.io\/inject/,
      ],
      [
        "a namespace's Pod Security level",
        () => merge(paths.namespace!, { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } } }),
        /refused: labels pod-security\.kubernetes\.io\/enforce/,
      ],
      [
        'the absence of a Pod Security level',
        () => merge(paths.namespace!, { metadata: { labels: { 'pod-security.kubernetes.io/enforce': null } } }),
        /refused: labels pod-security\.kubernetes\.io\/enforce/,
      ],
      [
        'a foreign annotation of a pod, new',
        () => merge(paths.pod!, { metadata: { annotations: { 'example.com/new': 'x' } } }),
        /refused: annotations example\.com\/new/,
      ],
      [
        'a foreign annotation of a pod, other',
        () => merge(paths.pod!, { metadata: { annotations: { 'example.com/owner': 'x' } } }),
        /refused: annotations example\.com\/owner/,
      ],
      [
        'a foreign annotation of a pod, gone, beside one of ours',
        () => merge(paths.pod!, { metadata: { annotations: { 'example.com/owner': null, ...OURS } } }),
        /refused: annotations example\.com\/owner/,
      ],
      [
        'a foreign annotation through status',
        () => merge(`${paths.pod}/status`, { metadata: { annotations: { 'example.com/new': 'x' } } }),
        /refused: annotations example\.com\/new/,
      ],
      [
        'an annotation whose name only looks like ours',
        () => merge(paths.pod!, { metadata: { annotations: { 'tracing.acme.example.com/x': 'x' } } }),
        /refused: annotations tracing\.acme\.example\.com\/x/,
      ],
      [
        "a pod's status",
        () => merge(`${paths.pod}/status`, { status: { message: 'all is well' } }),
        /not change status/,
      ],
      [
        "a Deployment's status",
        () => merge(`${paths.deployment}/status`, { metadata: { annotations: OURS } }),
        /not UPDATE deployments\/status/,
      ],
      [
        "a Deployment's owner",
        () =>
          merge(paths.deployment!, {
            metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: 'gone' }] },
          }),
        /refused: metadata ownerReferences/,
      ],
      [
        "a namespace's finalizers",
        () => merge(paths.namespace!, { metadata: { finalizers: ['example.com/stuck'] } }),
        /refused: metadata finalizers/,
      ],
      [
        'where a policy sends spans',
        () => merge(paths.policy!, { spec: { exporters: [{ name: 'x', endpoint: 'http://thief:4318' }] } }),
        /may only take away the annotation tracing\.acme\/override/,
      ],
      [
        'a label of a policy',
        () => merge(paths.policy!, { metadata: { labels: OURS, annotations: { 'tracing.acme/override': null } } }),
        /may only take away the annotation tracing\.acme\/override/,
      ],
      ['the end of a pod', () => thief.request('DELETE', paths.pod!), /not DELETE pods/],
      [
        'the end of all Deployments',
        () => thief.request('DELETE', paths.deployment!.replace('/target', '')),
        /not DELETE/,
      ],
      ['the end of a namespace', () => thief.request('DELETE', paths.namespace!), /not DELETE namespaces/],
      [
        'an eviction',
        () =>
          thief.request('POST', `${paths.pod}/eviction`, {
            body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'target', namespace } },
          }),
        /not CREATE pods\/eviction/,
      ],
      [
        'a command in a pod',
        () => thief.request('POST', `${paths.pod}/exec?command=id&stdout=true`),
        /not CONNECT pods\/exec/,
      ],
      [
        'a new pod',
        () =>
          thief.request('POST', `/api/v1/namespaces/${namespace}/pods`, {
            body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'new' }, spec: podSpec },
          }),
        /not CREATE pods/,
      ],
      [
        'a webhook of its own that points elsewhere',
        () =>
          thief.request('POST', WEBHOOKS, {
            body: {
              apiVersion: 'admissionregistration.k8s.io/v1',
              kind: 'MutatingWebhookConfiguration',
              metadata: { name: namespace },
              webhooks: [
                {
                  name: 'a.example.com',
                  clientConfig: { url: 'https://example.com/' },
                  admissionReviewVersions: ['v1'],
                  sideEffects: 'None',
                  failurePolicy: 'Ignore',
                },
              ],
            },
          }),
        /must point at its own Service/,
      ],
      [
        'its webhook for Secrets too',
        () => replace(`${WEBHOOKS}/${CLUSTER_NAME}`, '/webhooks/0/rules/0/resources', ['pods', 'secrets']),
        /must be for pods and workloads alone/,
      ],
      [
        'its webhook as one that must answer',
        () => replace(`${WEBHOOKS}/${CLUSTER_NAME}`, '/webhooks/0/failurePolicy', 'Fail'),
        /must have failurePolicy Ignore/,
      ],
    ])('is refused %s', async (_what, attempt, message) => {
      await expect(attempt()).rejects.toThrow(message);
    });

    it.each(['pod', 'namespace', 'deployment', 'statefulset', 'daemonset', 'replicaset', 'job', 'cronjob'])(
      'may set and remove annotations and labels of ours on a %s',
      async (kind) => {
        for (const value of ['x', 'y', null]) {
          const ours = { 'tracing.acme/test': value };
          await merge(paths[kind]!, { metadata: { annotations: ours, labels: ours } });
        }
      },
    );

    it.each(['deployment', 'statefulset', 'daemonset', 'cronjob'])(
      'may set and remove annotations and labels of ours on the pod template of a %s',
      async (kind) => {
        for (const value of ['x', 'y', null]) {
          const ours = { 'tracing.acme/test': value };
          await merge(paths[kind]!, template(kind, { annotations: ours, labels: ours }));
        }
      },
    );

    it('may take away an override of a policy', async () => {
      await merge(paths.policy!, { metadata: { annotations: { 'tracing.acme/override': null } } });
    });

    it('may tell a pod of its policy, however much the pod has in it', async () => {
      const annotations = Object.fromEntries(
        [...Array(2_000).keys()].map((i) => [`example.com/a-rather-long-name-${i}`, 'x'.repeat(60)]),
      );
      await admin.request('PATCH', paths.pod!, { contentType: MERGE_PATCH, body: { metadata: { annotations } } });
      await merge(`${paths.pod}/status`, { metadata: { annotations: OURS } });
      await expect(
        merge(`${paths.pod}/status`, { metadata: { annotations: { 'example.com/a-rather-long-name-7': 'y' } } }),
      ).rejects.toThrow(/refused: annotations example\.com\/a-rather-long-name-7/);
    });
  });

  it('is not hindered in anything else: others may still change what they like', async () => {
    await kubectl('set', 'image', 'deployment/target', 'app=other:1');
    await kubectl('annotate', 'pod', 'target', 'example.com/by-hand=x');
  });
});

/** Of pods that are never scheduled: all this is about objects alone. */
const podSpec = {
  nodeSelector: { 'example.com/none': 'none' },
  containers: [{ name: 'app', image: 'app:1' }],
};

function objects(namespace: string): unknown {
  const labels = { app: 'target' };
  const metadata = { name: 'target', namespace };
  const template = { metadata: { labels }, spec: podSpec };
  const selector = { matchLabels: labels };
  const job = { suspend: true, template: { spec: { ...podSpec, restartPolicy: 'Never' } } };
  const items = [
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'password', namespace }, stringData: { password: 'x' } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, annotations: { 'example.com/owner': 'us' } },
      spec: podSpec,
    },
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas: 0, selector, template } },
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata,
      spec: { replicas: 0, selector, template, serviceName: 'x' },
    },
    { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec: { selector, template } },
    { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata, spec: { replicas: 0, selector, template } },
    { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: job },
    {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { ...metadata, annotations: { 'tracing.acme/override': '[]' } },
      spec: { enabled: false },
    },
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata,
      spec: { schedule: '0 0 1 1 *', suspend: true, jobTemplate: { spec: job } },
    },
  ];
  return { apiVersion: 'v1', kind: 'List', items };
}
