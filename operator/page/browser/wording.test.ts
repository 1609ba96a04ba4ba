import { describe, expect, it } from '@jest/globals';
import type { WorkloadState } from '../state.ts';
import { samplingLines, samplingWord, shortPolicy, systemsInUse, toneOf } from './wording.ts';

const workload: WorkloadState = {
  ...{ kind: 'Deployment', name: 'order', pods: 1, traced: 1, reporting: 1, policy: 'none', state: 'Traced' },
  troubles: [],
};

describe('the words of the page', () => {
  it('say what the policy samples, and what was measured', () => {
    const sampled = {
      ...workload,
      ratio: 0.1,
      rules: 2,
      spans: { started: 1200, sampled: 150, exported: 148, lost: 2 },
    };
    expect(samplingWord(sampled)).toBe('10 % +2');
    expect(samplingLines(sampled)).toEqual([
      '10 % of the traces that begin here, but for what 2 rules say',
      'measured: 12.5 % of 1,200 spans recorded, 148 spans arrived, 2 lost',
    ]);
    expect(samplingWord(workload)).toBe('–');
    expect(samplingWord({ ...sampled, state: 'SwitchedOff' })).toBe('–');
    expect(samplingWord({ ...workload, ratio: 0.0005 })).toBe('0.05 %');
  });

  it('are short where the rest is plain', () => {
    expect(shortPolicy('TracingPolicy shop/default, ClusterTracingPolicy base, none')).toBe(
      'default, cluster/base, none',
    );
    const systems = ['NotInstalled', 'Configured', 'NotUsed', 'Conflict'].map((state) => ({
      name: 'Istio',
      state,
      message: '',
    }));
    expect(systemsInUse(systems).map(({ state }) => state)).toEqual(['Configured', 'Conflict']);
    const trouble = { reason: 'Missing', message: '' };
    const tones = [workload, { ...workload, state: 'NoPolicy' }, { ...workload, troubles: [trouble] }].map(toneOf);
    expect(tones).toEqual(['good', 'odd', 'bad']);
  });
});
