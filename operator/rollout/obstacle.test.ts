import { describe, expect, it } from '@jest/globals';
import type { Candidate, OldPod } from './obstacle.ts';
import { knowsEnd, lastWords, mostRestarts, obstacle } from './obstacle.ts';
import type { WorkloadObject } from './workload.ts';
import { selectorText, standing } from './workload.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');
function deployment(spec: Partial<WorkloadObject['spec']> = {}, status: WorkloadObject['status'] = {}): WorkloadObject {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '1', generation: 3 },
    spec: {
      replicas: 4,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } } },
      ...spec,
    },
    status: { observedGeneration: 3, replicas: 4, updatedReplicas: 4, availableReplicas: 4, ...status },
  };
}
const why = (workload: WorkloadObject, more: Partial<Candidate> = {}) =>
  obstacle({ kind: 'Deployment', workload, pods: [], budgets: [], now: NOW, ...more });
const budget = (disruptionsAllowed: number) => ({
  metadata: { name: 'web' },
  spec: { selector: { matchLabels: { app: 'web' } } },
  status: { disruptionsAllowed },
});
const pod = (restartCount: number, finishedAt: string): OldPod => ({
  metadata: { name: 'web-1' },
  status: {
    containerStatuses: [{ name: 'app', restartCount, lastState: { terminated: { exitCode: 1, finishedAt } } }],
  },
});

describe('what keeps a workload from being restarted', () => {
  it('is nothing where it is well', () => {
    expect(why(deployment())).toBeUndefined();
  });

  it('is a rollout that does not go on by itself', () => {
    expect(why(deployment({ paused: true }))).toMatch(/rollout resume/);
    expect(why(deployment({ updateStrategy: { type: 'OnDelete' } }), { kind: 'DaemonSet' })).toMatch(/OnDelete/);
    const partition = deployment({ updateStrategy: { rollingUpdate: { partition: 2 } } });
    expect(why(partition, { kind: 'StatefulSet' })).toMatch(/partition 2/);
  });

  it('is that it is not well, in a rollout of its own or crashing', () => {
    expect(why(deployment({}, { availableReplicas: 3 }))).toMatch(/3 of 4 pods available/);
    expect(why(deployment({}, { updatedReplicas: 1 }))).toMatch(/1 up to date/);
    expect(why(deployment({}, { replicas: 5 }))).toMatch(/in a rollout/);
    expect(why(deployment({}, { observedGeneration: 2 }))).toMatch(/in a rollout/);
    expect(why(deployment(), { pods: [pod(3, '2026-01-01T00:59:00Z')] })).toMatch(/crash by themselves.*exit code 1/);
    expect(why(deployment(), { pods: [pod(3, '2025-12-01T00:00:00Z')] })).toBeUndefined();
  });

  it('is a budget that allows less than its rollout would take', () => {
    expect(why(deployment(), { budgets: [budget(1)] })).toBeUndefined();
    expect(why(deployment(), { budgets: [budget(0)] })).toMatch(/web lets 0 .* take 1 at a time/);
    const surges = deployment({ strategy: { rollingUpdate: { maxUnavailable: 0 } } });
    expect(why(surges, { budgets: [budget(0)] })).toBeUndefined();
    const recreated = deployment({ strategy: { type: 'Recreate' } });
    expect(why(recreated, { budgets: [budget(3)] })).toMatch(/take 4/);
    expect(why(recreated, { budgets: [{ ...budget(0), spec: { selector: { matchLabels: { app: 'other' } } } }] })).toBe(
      undefined,
    );
  });
});

describe('what is read of a workload and its pods', () => {
  it('knows how often pods were restarted at most, and how one ended', () => {
    const pods = [pod(0, ''), pod(2, '2026-01-01T00:00:00Z')];
    expect([mostRestarts(pods), mostRestarts([])]).toEqual([2, 0]);
    expect(lastWords(pods)).toBe('container app of pod web-1 ended 2 times, last with exit code 1');
  });

  it('rather names a container of which it is known how it ended', () => {
    const ended = (name: string, state: object, lastState = {}) => ({
      metadata: { name },
      status: { containerStatuses: [{ name: 'app', restartCount: 2, state, lastState }] },
    });
    const forgotten = ended('a', { running: {} });
    expect([knowsEnd([]), knowsEnd([forgotten]), lastWords([forgotten])]).toEqual([
      false,
      false,
      'container app of pod a ended 2 times',
    ]);
    const now = ended('b', { terminated: { exitCode: 1, reason: 'Error' } });
    expect(knowsEnd([forgotten, now])).toBe(true);
    expect(lastWords([forgotten, now])).toBe('container app of pod b ended 3 times, last with exit code 1');
    const killed = ended('c', { running: {} }, { terminated: { exitCode: 137, reason: 'OOMKilled' } });
    expect(lastWords([killed])).toBe('container app of pod c ended 2 times, last with exit code 137 (OOMKilled)');
  });

  it('counts a DaemonSet by its nodes', () => {
    const status = { observedGeneration: 3, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 2 };
    expect(standing('DaemonSet', { ...deployment(), status })).toMatchObject({
      wanted: 3,
      available: 2,
      healthy: false,
    });
    expect(standing('DaemonSet', { ...deployment(), status: { ...status, numberAvailable: 3 } }).healthy).toBe(true);
  });

  it('writes selectors as the API server reads them', () => {
    const matchExpressions = [
      { key: 'tier', operator: 'In' as const, values: ['a', 'b'] },
      { key: 'old', operator: 'DoesNotExist' as const },
      { key: 'x', operator: 'Exists' as const },
    ];
    expect(selectorText({ matchLabels: { app: 'web' }, matchExpressions })).toBe('app=web,tier in (a,b),!old,x');
  });
});
