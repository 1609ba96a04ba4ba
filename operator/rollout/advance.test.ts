import { describe, expect, it } from '@jest/globals';
import type { Facts } from './advance.ts';
import { advance } from './advance.ts';
import type { Restart } from './restart.ts';
import type { Standing } from './workload.ts';

const AT = '2026-01-01T00:00:00Z';
const NOW = Date.parse(AT) + 60_000;
const before: Restart = {
  ...{ kind: 'Deployment', name: 'web', policy: 'TracingPolicy shop/p', mark: 'p 1 agent', template: 't1' },
  ...{ phase: 'Restarting', at: AT, value: AT, generation: 4, threshold: 2, message: 'since then' },
};
const well: Standing = {
  ...{ generation: 5, template: 't1', value: AT, wanted: 2, updated: 2, available: 2, healthy: true },
};
const facts = (more: Partial<Facts> = {}): Facts => ({
  ...{ now: NOW, workload: well, mark: 'p 1 agent', isOff: false, isStale: false, restarts: 0 },
  ...{ onCrashLoop: 'Rollback', healthySince: undefined },
  ...more,
});

describe('a restart', () => {
  it('is done by whoever finds it written down and not done, also after a change of leaders', () => {
    const workload = { ...well, generation: 4, value: undefined };
    expect(advance(before, facts({ workload }))).toMatchObject({ restart: before, act: 'Restart' });
  });

  it('is over when all its pods have been well for a while', () => {
    const ill = { ...well, healthy: false };
    expect(advance(before, facts({ workload: ill })).restart).toBe(before);
    expect(advance(before, facts({ healthySince: NOW - 5_000 })).restart).toBe(before);
    expect(advance(before, facts({ healthySince: NOW - 60_000 }))).toEqual({});
  });

  it('that did not help is not done again', () => {
    const { restart } = advance(before, facts({ healthySince: NOW - 60_000, isStale: true }));
    expect(restart).toMatchObject({ phase: 'NoHelp', message: expect.stringContaining('no better') });
    expect(advance(restart!, facts({ isStale: true }))).toEqual({ restart });
    expect(advance(restart!, facts())).toEqual({});
  });

  it('is taken back when new pods crash oftener than any did before', () => {
    expect(advance({ ...before, threshold: 4 }, facts({ restarts: 3 })).restart?.phase).toBe('Restarting');
    const { restart, act } = advance(before, facts({ restarts: 2 }));
    expect([restart?.phase, act]).toEqual(['RolledBack', undefined]);
    // Only when every webhook has heard of it.
    const soon = Date.parse(restart!.at) + 1_000;
    expect(advance(restart!, facts({ now: soon }))).toEqual({ restart, again: 1_000 });
    expect(advance(restart!, facts({ now: soon + 1_000 }))).toMatchObject({ restart, act: 'Revert' });
    const reverted = { ...well, value: undefined, healthy: false };
    expect(advance(restart!, facts({ workload: reverted, isStale: true }))).toEqual({ restart });
    const set = { ...restart!, kind: 'StatefulSet' as const };
    expect(advance(set, facts({ workload: reverted }))).toMatchObject({ restart: set, act: 'Unblock' });
  });

  it('is left as it is where the policy says so', () => {
    const { restart } = advance(before, facts({ restarts: 2, onCrashLoop: 'Stop' }));
    expect(restart).toMatchObject({ phase: 'CrashLooping' });
    expect(advance(restart!, facts({ restarts: 9, onCrashLoop: 'Stop' })).restart).toBe(restart);
    expect(advance(restart!, facts({ healthySince: NOW - 60_000 }))).toEqual({});
  });

  it('that somebody takes back is tried again later and later, and then no more', () => {
    const workload = { ...well, generation: 6, value: undefined };
    const untils: (string | undefined)[] = [];
    let restart = before;
    for (let i = 0; i < 3; i++) {
      const step = advance({ ...restart, phase: 'Restarting' }, facts({ workload, isStale: true }));
      expect(step).toMatchObject({ restart: { phase: 'Undone', undone: i + 1 } });
      restart = step.restart!;
      untils.push(restart.until);
    }
    expect(untils).toEqual(['2026-01-01T00:11:00Z', '2026-01-01T00:21:00Z', undefined]);
    expect(restart.message).toMatch(/3 times.*not restarted again until/);
  });

  it.each([
    ['its pod template', { workload: { ...well, template: 't2' } }],
    ['what its pods are given', { mark: 'p 2 agent' }],
    ['whether they ask for it', { mark: undefined }],
    ['that it is there at all', { workload: undefined }],
  ])('is forgotten, a rollback too, when somebody changes %s', (_what, more) => {
    expect(advance({ ...before, phase: 'RolledBack' }, facts(more))).toEqual({});
  });

  it('that was taken back is remembered while tracing is switched off', () => {
    const restart: Restart = { ...before, phase: 'RolledBack' };
    const workload = { ...well, value: undefined };
    expect(advance(restart, facts({ mark: undefined, isOff: true, workload }))).toEqual({ restart });
  });
});
