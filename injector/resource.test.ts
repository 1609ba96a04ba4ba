import { describe, expect, it } from '@jest/globals';
import type { ObjectMeta } from './pod.ts';
import { imageVersion, resourceEnv } from './resource.ts';

const digest = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

describe('the version of an image', () => {
  it.each([
    ['web', undefined],
    ['localhost:5000/web', undefined],
    ['localhost:5000/team/web:1.2', '1.2'],
    ['web:v1_2-rc.1', 'v1_2-rc.1'],
    [`web@${digest}`, digest],
    [`registry.example.com:5000/web:1.2@${digest}`, `1.2@${digest}`],
    ['', undefined],
    [undefined, undefined],
  ])('%s', (image, version) => expect(imageVersion(image)).toBe(version));
});

describe('what a process is told of its service', () => {
  const attributes = (metadata: ObjectMeta, image = 'web'): Record<string, string>[] =>
    resourceEnv({ metadata, spec: { containers: [] } }, 'shop', { name: 'app', image })
      .filter(({ name }) => name.startsWith('TRACING_ACME_RESOURCE'))
      .map(({ value = '' }) =>
        Object.fromEntries(value.split(',').map((pair) => pair.split('=').map(decodeURIComponent) as [string, string])),
      );
  const ownedBy = (kind: string, name: string, labels = {}) => ({
    generateName: `${name}-`,
    labels,
    ownerReferences: [{ apiVersion: 'v1', kind, name, controller: true }],
  });

  it.each<[string, ObjectMeta, Record<string, string>]>([
    [
      'a Deployment',
      ownedBy('ReplicaSet', 'order-5d4', { 'pod-template-hash': '5d4' }),
      { 'service.name': 'order', 'k8s.deployment.name': 'order', 'k8s.replicaset.name': 'order-5d4' },
    ],
    ['a ReplicaSet', ownedBy('ReplicaSet', 'order'), { 'service.name': 'order', 'k8s.replicaset.name': 'order' }],
    ['a StatefulSet', ownedBy('StatefulSet', 'db'), { 'service.name': 'db', 'k8s.statefulset.name': 'db' }],
    ['a DaemonSet', ownedBy('DaemonSet', 'log'), { 'service.name': 'log', 'k8s.daemonset.name': 'log' }],
    [
      'a CronJob',
      ownedBy('Job', 'nightly-29012345'),
      { 'service.name': 'nightly', 'k8s.cronjob.name': 'nightly', 'k8s.job.name': 'nightly-29012345' },
    ],
    ['a Job', ownedBy('Job', 'import'), { 'service.name': 'import', 'k8s.job.name': 'import' }],
    ['nobody, with a name', { name: 'alone' }, { 'service.name': 'alone' }],
    ['nobody, its name not made yet', { generateName: 'alone-' }, { 'service.name': 'app' }],
  ])('in a pod of %s', (_owner, metadata, expected) => {
    const [made, byLabels] = attributes(metadata);
    const names = Object.entries(made!).filter(
      ([name]) => name === 'service.name' || /^k8s\.(?!namespace|pod|container|node)/.test(name),
    );
    expect(Object.fromEntries(names)).toEqual(expected);
    expect(byLabels).toBeUndefined();
  });

  it('has the namespace, an instance of its own, and the version of its image', () => {
    expect(attributes({ name: 'a' }, 'web:1')[0]).toMatchObject({
      'service.namespace': 'shop',
      'service.instance.id': 'shop.$(TRACING_ACME_POD_NAME).app',
      'service.version': '1',
    });
  });

  it('is what annotations say, and beside it what labels do, where annotations do not', () => {
    const labels = {
      'app.kubernetes.io/instance': 'shop-order',
      'app.kubernetes.io/name': 'order',
      'app.kubernetes.io/version': '1.4',
    };
    const annotations = {
      'resource.opentelemetry.io/service.version': '2, beta',
      'resource.opentelemetry.io/service.namespace': '',
      'resource.opentelemetry.io/team': 'blue',
    };
    const [made, byLabels] = attributes({ name: 'a', labels, annotations }, 'web:1');
    expect(made).toMatchObject({
      'service.name': 'a',
      'service.namespace': 'shop',
      'service.version': '2, beta',
      team: 'blue',
    });
    expect(byLabels).toEqual({ 'service.name': 'shop-order' });
    const { 'app.kubernetes.io/instance': _instance, ...others } = labels;
    expect(attributes({ name: 'a', labels: others })[1]).toEqual({ 'service.name': 'order', 'service.version': '1.4' });
  });
});
