import { describe, expect, it } from '@jest/globals';
import type { Digest } from '../digest/digest.ts';
import { reportLines } from './report-lines.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const digest = (facts: Partial<Digest['facts']> = {}, numbers: Partial<Digest['numbers']> = {}): Digest => ({
  ...{ kind: 'Deployment', name: 'web', writtenAt: '2026-01-01T11:57:00Z' },
  facts: {
    ...{ pods: 2, processes: 3, agents: { '0.1.0': 3 }, nodes: { 'v22.1.0': 1, 'v24.2.0': 2 } },
    ...{ policies: { 'policy.default.json 1a2b': 3 }, libraries: {}, uninstrumented: {} },
    ...{ problems: [], troubles: [], failures: [] },
    ...facts,
  },
  numbers: { spans: {}, exporters: {}, signals: {}, ...numbers },
});

describe('the lines about what agents report', () => {
  it('count what else than spans is sent', () => {
    expect(reportLines(digest({}, { signals: { metrics: { exported: 3, dropped: 1 } } }), NOW)).toContain(
      'metrics: 3 exported, 1 dropped',
    );
  });

  it('say when, how many, which versions and which policy', () => {
    expect(reportLines(digest(), NOW)).toEqual([
      'as of 3 min ago: 3 processes in 2 pods, agent 0.1.0, Node.js v22.1.0 (1), v24.2.0 (2)',
      'acting on policy.default.json 1a2b (3 processes)',
      'instrumented: no library yet',
    ]);
  });

  it('say what became of spans, also in words of a newer agent', () => {
    const spans = {
      exported: 8,
      started: 100,
      sampled: 11,
      kept: 1,
      queueFull: 0,
      exportFailed: 3,
      sleptIn: 1,
      exceptions: 1,
    };
    const exporters = { default: { exported: 8, dropped: 3, errors: 1, queued: 5, queueSize: 2048, bytes: 4000 } };
    const rates = { default: { spansPerSecond: 0.25, bytesPerSecond: 1250 } };
    const traces = { default: '4bf92f3577b34da6a3ce929d0e0e4736' };
    const numbers = { spans, exporters, rates, traces, memory: 8_300_000 };
    expect(reportLines(digest({}, numbers), NOW).slice(2)).toEqual([
      'spans since the processes started: 100 started, 11 sampled, 1 kept, 8 exported; lost: 3 exportFailed, 1 sleptIn',
      'exporter default: 8 exported, 3 dropped, 1 errors, 5 of 2048 places in its queue taken; about 0.25 spans/s, 1.3 kB/s of late; last trace 4bf92f3577b34da6a3ce929d0e0e4736',
      'instrumented: no library yet',
      "1 error of the agent's own, on standard error of the processes",
      'memory of the agent in a process: about 8.3 MB',
    ]);
  });

  it('name libraries, and those that not all processes have', () => {
    const uninstrumented = { 'pg@6.4.2: its instrumentation is for other versions': 3 };
    const lines = reportLines(digest({ libraries: { 'express@5.1.0': 3, 'kafkajs@2': 1 }, uninstrumented }), NOW);
    expect(lines.slice(2)).toEqual([
      'instrumented: express@5.1.0, kafkajs@2 (1 of 3)',
      'not instrumented: pg@6.4.2: its instrumentation is for other versions',
    ]);
  });

  it('say what is wrong in the words of the agents', () => {
    const wrong = { problems: ['exporter a: no Secret'], troubles: ['exporter b: refused'], failures: ['too old'] };
    expect(reportLines(digest(wrong), NOW).slice(3)).toEqual([
      'cannot do: exporter a: no Secret',
      'spans are lost: exporter b: refused',
      'does not trace: too old',
    ]);
  });
});
