import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import { withOperator } from './installation.ts';

/** What Kubernetes' own roles may do with policies once the chart is installed. */
describe('roles of people', () => {
  const namespace = `roles-${randomBytes(3).toString('hex')}`;
  let cluster: Cluster;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const may = async (role: string, verb: string, resource: string) => {
    const script = 'kubectl "$@" 2>/dev/null || true';
    const args = ['-n', namespace, 'auth', 'can-i', verb, `${resource}.tracing.acme`, `--as=${role}-user`];
    return (await cluster.run('sh', ['-c', script, 'sh', ...args])).trim() === 'yes';
  };

  beforeAll(async () => {
    ({ cluster } = await withOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    for (const role of ['admin', 'edit', 'view']) {
      await kubectl('create', 'rolebinding', role, `--clusterrole=${role}`, `--user=${role}-user`);
    }
    await until('the roles are not aggregated', 20_000, () => may('edit', 'create', 'tracingpolicies'));
  }, 180_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it.each([
    ['admin', ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete']],
    ['edit', ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete']],
    ['view', ['get', 'list', 'watch']],
  ])('%s may %j policies of its namespace', async (role, allowed) => {
    const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'];
    const granted = await Promise.all(verbs.map((verb) => may(role, verb, 'tracingpolicies')));
    expect(verbs.filter((_, i) => granted[i])).toEqual(allowed);
  });

  it.each(['admin', 'edit', 'view'])('%s may not write policies of the cluster', async (role) => {
    for (const verb of ['create', 'update', 'patch', 'delete'])
      expect([verb, await may(role, verb, 'clustertracingpolicies')]).toEqual([verb, false]);
  });

  it('view, bound for the whole cluster, may read policies of the cluster', async () => {
    await cluster.run('kubectl', ['create', 'clusterrolebinding', namespace, '--clusterrole=view', '--user=view-user']);
    try {
      await until('view does not read', 10_000, () => may('view', 'list', 'clustertracingpolicies'));
      expect(await may('view', 'create', 'clustertracingpolicies')).toBe(false);
    } finally {
      await cluster.run('kubectl', ['delete', 'clusterrolebinding', namespace]);
    }
  });
});
