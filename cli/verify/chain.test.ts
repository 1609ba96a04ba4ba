import { describe, expect, it } from '@jest/globals';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import type { Seen } from './chain.ts';
import { verdictOf } from './chain.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const document: PolicyDocument = {
  ...{ key: 'policy.default.json', revision: '1', source: 'TracingPolicy shop/default' },
  spec: {
    sampling: { ratio: 0.5 },
    exporters: [{ name: 'main', endpoint: 'http://collector:4318', protocol: 'http/protobuf', headers: [] }],
    propagators: ['tracecontext'],
    resource: { attributes: {} },
  },
};
const digest = (
  spans: Record<string, number>,
  exporter: Record<string, number> = {},
  facts: Partial<Digest['facts']> = {},
): Digest => ({
  ...{ kind: 'Deployment', name: 'order', writtenAt: '2026-01-01T12:00:00Z' },
  facts: {
    ...{ pods: 1, processes: 1, agents: { '0.1.0': 1 }, nodes: { 'v24.1.0': 1 }, policies: {} },
    ...{ libraries: { 'express@5.1.0': 1 }, uninstrumented: {}, problems: [], troubles: [], failures: [] },
    ...facts,
  },
  numbers: {
    spans,
    exporters: { main: { exported: 0, dropped: 0, queued: 0, ...exporter } },
    traces: { main: TRACE },
    signals: {},
  },
});
const BEFORE = digest({ started: 10, sampled: 5 }, { exported: 5 });
const verdict = (more: Partial<Seen>) =>
  verdictOf({
    ...{ workload: 'deployment/order', namespace: 'shop', pods: 1, injected: 1, well: 1, operator: 'op in tracing' },
    ...{ asks: 'yes, by its policy', problems: [], wishes: [], isStale: false, isUntold: false, isSent: false },
    ...{ diagnose: () => ({ why: 'there is no Service collector', next: 'kubectl edit' }) },
    ...{ document, first: BEFORE, last: undefined },
    ...more,
  });
const broken = (more: Partial<Seen>) => {
  const { found, broken: link, steps, next } = verdict(more);
  expect(found).toBe(false);
  // What follows from a broken link is not judged.
  const after = steps.slice(steps.findIndex((step) => step.link === link) + 1);
  expect(after.every(({ state }) => state === 'unknown')).toBe(true);
  return [link, steps.find((step) => step.link === link)!.text, next];
};

describe('the chain from a pod to its receivers', () => {
  it('is whole where spans arrived while it was watched, and names a trace of them', () => {
    const { found, steps } = verdict({ last: digest({ started: 14, sampled: 7 }, { exported: 7 }) });
    expect(found).toBe(true);
    expect(steps.map(({ link, state, text }) => [link, state, text])).toEqual([
      ['operator', 'ok', 'op in tracing'],
      ['wanted', 'ok', 'by its policy'],
      ['injected', 'ok', '1 of 1 pod with the agent'],
      ['policy', 'ok', 'TracingPolicy shop/default, to main http://collector:4318'],
      ['started', 'ok', '1 process with the agent at work, Node.js v24.1.0'],
      ['instrumented', 'ok', 'express@5.1.0'],
      ['asked', 'ok', '4 spans began while it was watched'],
      ['sampled', 'ok', '2 of them recorded (ratio 0.5)'],
      ['exported', 'ok', 'sent to main'],
      ['accepted', 'ok', `main (http://collector:4318) took 2, of trace ${TRACE}`],
    ]);
  });

  it('counts since the processes began where they could not be watched', () => {
    const { found, steps } = verdict({ first: undefined, last: BEFORE });
    expect(found).toBe(true);
    expect(steps.find(({ link }) => link === 'asked')!.text).toBe('10 spans began since its processes began');
  });

  it('is broken where no pod has the agent, in the words of explain', () => {
    const problem = {
      link: 'injected' as const,
      text: 'pod a has no agent',
      next: 'kubectl -n shop rollout restart deployment/order',
    } as const;
    expect(broken({ injected: 0, problems: [problem] })).toEqual([
      ...['injected', '0 of 1 pod with the agent: pod a has no agent'],
      'kubectl -n shop rollout restart deployment/order',
    ]);
    expect(broken({ pods: 0, injected: 0 })[1]).toBe('no pod of it runs');
  });

  it('is broken where nobody reports, or says that it does not trace', () => {
    expect(broken({})[1]).toMatch(/no Node\.js process of it has reported/);
    expect(broken({ isStale: true })[1]).toMatch(/have reported before, and have not answered in time/);
    const failures = ['not traced by us: Node.js v16 is not supported'];
    expect(broken({ last: digest({}, {}, { failures }) })).toEqual([
      ...['started', 'not traced by us: Node.js v16 is not supported'],
      'kubectl -n shop logs deployment/order | grep tracing-operator:',
    ]);
  });

  it('is broken where no library can be instrumented, or nothing came', () => {
    const bundled = { libraries: {}, uninstrumented: { 'pg@6: it is bundled': 1 } };
    const quiet = { started: 10, sampled: 5 };
    expect(broken({ last: digest(quiet, {}, bundled) }).slice(0, 2)).toEqual([
      ...['instrumented', 'no library that it uses; without spans: pg@6: it is bundled'],
    ]);
    expect(broken({ last: digest(quiet, { exported: 5 }) })).toEqual([
      ...['asked', 'no span began while it was watched: no request came, and no job ran'],
      'kubectl tracing verify deployment/order -n shop --request PORT/PATH',
    ]);
  });

  it('is broken where the ratio leaves all out', () => {
    expect(broken({ last: digest({ started: 12, sampled: 5 }, { exported: 5 }) })).toEqual([
      ...['sampled', expect.stringContaining('none of them is recorded (ratio 0.5)')],
      'kubectl tracing sampling deployment/order -n shop --ratio 1 --for 5m',
    ]);
  });

  it('is broken where nothing has left, or a receiver does not take it', () => {
    const spans = { started: 12, sampled: 6 };
    expect(broken({ last: digest(spans, { exported: 5, queued: 1 }) }).slice(0, 2)).toEqual([
      ...['exported', 'nothing has left the processes yet; 1 wait for the next batch'],
    ]);
    const troubles = ['exporter main: collector:4318: getaddrinfo ENOTFOUND collector (there is no such host)'];
    expect(broken({ last: digest(spans, { exported: 5, dropped: 1 }, { troubles }) })).toEqual([
      'accepted',
      'main (http://collector:4318): collector:4318: getaddrinfo ENOTFOUND collector (there is no such host); there is no Service collector',
      'kubectl edit',
    ]);
  });

  it('is broken before all else where the operator does not run, or does not act', () => {
    const problem = { link: 'operator', text: 'no replica is ready', next: 'kubectl scale' } as const;
    expect(broken({ problems: [problem] })).toEqual(['operator', problem.text, problem.next]);
    expect(broken({ isUntold: true, isStale: true }).slice(0, 2)).toEqual([
      ...['operator', expect.stringContaining('has not come to the pods')],
    ]);
    const unseen = verdict({ operator: undefined, last: digest({ started: 14, sampled: 7 }, { exported: 7 }) });
    expect(unseen).toMatchObject({
      found: true,
      steps: expect.arrayContaining([{ link: 'operator', state: 'unknown', text: 'you may not see whether it runs' }]),
    });
  });

  it('is broken where nobody asks, and says how; what is wrong with asking comes first', () => {
    const asks = 'no: neither the workload nor its namespace nor a policy does';
    const wish = { link: 'wanted', text: asks, to: 'To have it traced', next: 'kubectl annotate' } as const;
    const nobody = { asks, wishes: [wish], injected: 0, well: 0 };
    expect(broken(nobody)).toEqual([
      ...['wanted', 'nobody asks for it: neither the workload nor its namespace nor a policy does', 'kubectl annotate'],
    ]);
    const typo = { link: 'wanted', text: 'injekt is none that we know', next: 'docs' } as const;
    expect(broken({ ...nobody, problems: [typo] })).toEqual(['wanted', typo.text, typo.next]);
    // Pods keep the agent until they are made anew.
    expect(verdict({ asks, wishes: [wish], last: digest({ started: 14, sampled: 7 }, { exported: 7 }) }).found).toBe(
      true,
    );
  });

  it.each([
    ['off', { link: 'policy', text: 'p is switched off', to: 'To switch it on', next: 'kubectl tracing on' }],
    ['without an exporter', { link: 'policy', text: 'p has no exporter', next: 'kubectl patch' }],
  ] as const)('is broken where its policy is %s, whatever agents have said', (_what, found) => {
    const seen = { last: digest({ started: 14, sampled: 7 }, { exported: 7 }) };
    const more = 'to' in found ? { wishes: [found] } : { problems: [found] };
    expect(broken({ ...seen, ...more })).toEqual(['policy', found.text, found.next]);
  });

  it('is whole also where its policy may not be read', () => {
    const { found, steps } = verdict({
      document: undefined,
      last: digest({ started: 14, sampled: 7 }, { exported: 7 }),
    });
    expect(found).toBe(true);
    expect(steps).toContainEqual({ link: 'policy', state: 'unknown', text: 'none that you may read applies' });
  });

  it('is broken where an exporter lacks what it needs', () => {
    const problems = ['exporter main: it needs key k of Secret s, which is not there: make it'];
    expect(broken({ last: digest({ started: 12, sampled: 6 }, {}, { problems }) })).toEqual([
      ...['policy', problems[0], 'kubectl edit'],
    ]);
  });

  it('says of what was recorded for a reason of its own that most requests are not', () => {
    const at = (ratio: number, spans: Record<string, number>, more: Partial<Seen> = {}) =>
      verdict({
        document: { ...document, spec: { ...document.spec, sampling: { ratio } } },
        last: digest({ started: 14, ...spans }, { exported: 7 }),
        ...more,
      });
    expect(at(0, { sampled: 7 }, { isSent: true })).toMatchObject({
      found: true,
      remark:
        'the request that was sent was recorded because it said so itself: by the policy, whose ratio is 0, no request that begins here is recorded',
      next: 'kubectl tracing sampling deployment/order -n shop --ratio 1 --for 5m',
    });
    expect(at(0.1, { sampled: 7 }, { isSent: true }).remark).toMatch(/about 10 % of the requests that begin here are/);
    expect(at(0, { sampled: 5, kept: 2 }).remark).toMatch(/^what arrived was kept because it failed or was slow: /);
    expect(at(0, { sampled: 7 }).remark).toMatch(
      /^what arrived was recorded because of a rule or a header, or because/,
    );
    for (const verdict of [at(0.5, { sampled: 7 }), at(1, { sampled: 7 }, { isSent: true })]) {
      expect(verdict.remark).toBeUndefined();
      expect(verdict.next).toBeUndefined();
    }
  });
});
