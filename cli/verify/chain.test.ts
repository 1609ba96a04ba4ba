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
    ...{ workload: 'deployment/order', namespace: 'shop', pods: 1, injected: 1, problems: [], isStale: false },
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
      ['injected', 'ok', '1 of 1 pod with the agent'],
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
    const problem = { text: 'pod a has no agent', next: 'kubectl -n shop rollout restart deployment/order' };
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
    const nowhere = { ...document, spec: { ...document.spec, exporters: [] } };
    const none = { ...digest(spans), numbers: { spans, exporters: {}, signals: {} } };
    expect(broken({ last: none, document: nowhere })[1]).toBe('the policy has no exporter');
    const troubles = ['exporter main: collector:4318: getaddrinfo ENOTFOUND collector (there is no such host)'];
    expect(broken({ last: digest(spans, { exported: 5, dropped: 1 }, { troubles }) }).slice(0, 2)).toEqual([
      'accepted',
      'main (http://collector:4318): collector:4318: getaddrinfo ENOTFOUND collector (there is no such host)',
    ]);
  });
});
