import { describe, expect, it } from '@jest/globals';
import type { TracingPolicy } from '../../crds/tracing-policy.ts';
import { progress } from './progress.ts';
import type { Restart } from './restart.ts';
import { readRestarts, restartMark, templateHash, whyRolledBack } from './restart.ts';

const AT = '2026-01-01T00:00:00Z';
const policy = (generation: number, enabled?: boolean): TracingPolicy => ({
  kind: 'TracingPolicy',
  metadata: { namespace: 'shop', name: 'p', uid: 'u', resourceVersion: '1', creationTimestamp: AT, generation },
  spec: { rollout: { strategy: 'Restart' }, ...(enabled !== undefined && { enabled }) },
});
const restart: Restart = {
  ...{ kind: 'Deployment', name: 'web', policy: 'TracingPolicy shop/p', mark: restartMark(policy(1), 'agent:1') },
  ...{ template: 't', phase: 'RolledBack', at: AT, value: AT, generation: 4, threshold: 2, message: 'it crashed' },
};

describe('a restart that is remembered', () => {
  it('is read as it was written, and what cannot be read is none', () => {
    expect(readRestarts(JSON.stringify([restart]))).toEqual([restart]);
    expect([readRestarts(undefined), readRestarts('{'), readRestarts('[{"kind":"Job"}]')]).toEqual([[], [], []]);
  });

  it('keeps the agent that crashed from the pods of its workload alone, until policy or agent changes', () => {
    const of = (workload: { kind: string; name: string }, generation = 1, agent = 'agent:1') =>
      whyRolledBack([restart], workload, policy(generation), agent);
    expect(of(restart)).toBe('it crashed');
    expect(of({ kind: 'Deployment', name: 'other' })).toBeUndefined();
    expect(of({ kind: 'StatefulSet', name: 'web' })).toBeUndefined();
    expect(of(restart, 2)).toBeUndefined();
    expect(of(restart, 1, 'agent:2')).toBeUndefined();
    // Where nothing would take it away again it is not given.
    expect(whyRolledBack([restart], restart, policy(2, false), 'agent:1')).toBe('it crashed');
    expect(whyRolledBack([restart], restart, { ...policy(2), spec: {} }, 'agent:1')).toBe('it crashed');
    expect(whyRolledBack([{ ...restart, phase: 'Restarting' }], restart, policy(1), 'agent:1')).toBeUndefined();
  });

  it('knows a template by what its owner wrote, not by what is ours', () => {
    const template = (annotations: Record<string, string>, image = 'a') => ({
      metadata: { labels: { app: 'web' }, annotations },
      spec: { containers: [{ name: 'app', image }] },
    });
    const hash = templateHash(template({}));
    expect(templateHash(template({ 'tracing.acme/restarted-at': AT }))).toBe(hash);
    expect(templateHash({ ...template({}), metadata: { labels: { app: 'web' } } })).toBe(hash);
    expect(templateHash(template({ 'kubectl.kubernetes.io/restartedAt': AT }))).not.toBe(hash);
    expect(templateHash(template({}, 'b'))).not.toBe(hash);
  });
});

describe('the progress of a rollout', () => {
  const here = { namespace: 'shop', kind: 'Deployment' };
  const row = (name: string) => ({ ...here, name, reason: 'Missing' as const, pods: 1 });

  it('counts workloads, and says what keeps one', () => {
    const { counts, workloads, problems } = progress({
      restarts: [{ ...restart, namespace: 'shop' }],
      stale: ['web', 'paused', 'next'].map((name) => ({ ...here, name })),
      workloads: ['paused', 'next'].map(row),
      holds: [{ ...here, name: 'paused', why: 'it is paused', until: 0 }],
    });
    expect(counts).toEqual({ waiting: 2, restarting: 0, rolledBack: 1 });
    expect(workloads.map(({ name, reason, message }) => [name, reason, message])).toEqual([
      ['paused', 'RestartHeld', 'not restarted: it is paused'],
      ['next', 'Missing', 'it will be restarted, as spec.rollout says'],
    ]);
    expect(problems).toEqual([['RolledBack', expect.stringContaining('Deployment shop/web')]]);
  });

  it('says where the chart does not let anything be restarted', () => {
    const { problems } = progress({ restarts: [], stale: [], workloads: [], holds: undefined });
    expect(problems).toEqual([['RestartsNotAllowed', expect.stringContaining('changeWorkloads')]]);
  });
});
