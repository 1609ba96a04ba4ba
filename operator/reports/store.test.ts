import { describe, expect, it } from '@jest/globals';
import type { KeptReport } from './report.ts';
import { ReportStore } from './store.ts';

const exporter = { name: 'default', exported: 0, dropped: 0, errors: 0, queued: 0, queueSize: 2048 };
const counters = { started: 0, sampled: 0, exported: 0, queueFull: 0, exportFailed: 0, shutdown: 0, exceptions: 0 };
const report = (receivedAt: number, more: Partial<KeptReport> = {}): KeptReport => ({
  ...{ namespace: 'shop', pod: 'a', podUid: 'uid-a', container: 'app', pid: 1, receivedAt },
  ...{ key: 'p', revision: '1', agentVersion: '1', nodeVersion: 'v24', startedAt: 1 },
  ...{ counters, exporters: [exporter], libraries: ['express@5.1.0'], uninstrumented: [], problems: [] },
  ...more,
});
const kept = (store: ReportStore, podUid = 'uid-a') =>
  store.of(podUid).map(({ container, pid, receivedAt }) => `${container}/${pid} ${receivedAt}`);

describe('the store of reports', () => {
  it('keeps the last report of each process, and tells containers that all have a process 1 apart', () => {
    const store = new ReportStore(0);
    store.put(report(1));
    store.put(report(2, { container: 'sidecar' }));
    store.put(report(3, { pid: 20 }));
    store.put(report(5));
    store.put(report(4));
    expect(kept(store)).toEqual(['app/1 5', 'sidecar/1 2', 'app/20 3']);
  });

  it('keeps what a report says', () => {
    const store = new ReportStore(0);
    const full = report(1, { failure: 'x', problems: ['p'], exporters: [{ ...exporter, trouble: 't' }] });
    store.put(full);
    expect(store.of('uid-a')).toEqual([full]);
    const { reports, sequence } = store.since(0);
    expect(reports).toEqual([full]);
    expect(store.since(sequence).reports).toEqual([]);
  });

  it('gives all it was told to who knows the numbers of the process before it', () => {
    const before = new ReportStore(1_000);
    for (let i = 1; i <= 20; i++) before.put(report(i));
    const { sequence } = before.since(0);
    const after = new ReportStore(1_001);
    after.put(report(30));
    expect(after.since(sequence).reports).toEqual([report(30)]);
  });

  describe('says that there is something new', () => {
    const changes = (before: Partial<KeptReport>, after: Partial<KeptReport>): number => {
      const store = new ReportStore(0);
      store.put(report(1, before));
      let calls = 0;
      store.onChange(() => calls++);
      store.put(report(2, after));
      return calls;
    };
    it.each<[string, Partial<KeptReport>, Partial<KeptReport>]>([
      ['another revision', {}, { revision: '2' }],
      ['a failure', {}, { failure: 'dd-trace is there' }],
      ['a failure that is over', { failure: 'dd-trace is there' }, {}],
      ['a problem', {}, { problems: ['exporter default: no Secret s'] }],
      ['trouble of an exporter', {}, { exporters: [{ ...exporter, trouble: 'c:4318: refused' }] }],
      ['trouble that is over', { exporters: [{ ...exporter, trouble: 'c:4318: refused' }] }, {}],
      ['a library without spans', {}, { uninstrumented: [{ library: 'pg@6.0.0', why: 'UnsupportedVersion' }] }],
      ['an agent that says more', { problems: undefined }, { problems: ['p'] }],
    ])('for %s', (_name, before, after) => expect(changes(before, after)).toBe(1));

    it.each<[string, Partial<KeptReport>]>([
      ['counters', { counters: { ...counters, started: 10, exported: 9, queueFull: 1 } }],
      ['an exporter and its queue', { exporters: [{ ...exporter, exported: 9, dropped: 1, errors: 1, queued: 5 }] }],
      ['the start of the process', { startedAt: 2 }],
      ['libraries', { libraries: ['express@5.1.0', 'pg@8.0.0'] }],
      ['versions', { agentVersion: '2', nodeVersion: 'v26' }],
    ])('and not for %s', (_name, after) => expect(changes({}, after)).toBe(0));

    it('and not for a report that leaves out what was empty', () => {
      const nothing = { exporters: undefined, uninstrumented: undefined, problems: undefined };
      expect(changes({}, nothing)).toBe(0);
    });
  });

  it('keeps once what many pods say', () => {
    const store = new ReportStore(0);
    // As JSON.parse makes them: equal, and none the same.
    for (const pod of ['a', 'b']) store.put(structuredClone(report(1, { pod, podUid: pod, problems: ['p'] })));
    const [a, b] = ['a', 'b'].map((uid) => store.of(uid)[0]!);
    expect(a!.libraries).toBe(b!.libraries);
    expect(a!.uninstrumented).toBe(b!.uninstrumented);
    expect(a!.problems).toBe(b!.problems);
    expect(a!.counters).not.toBe(b!.counters);
  });

  it('does not grow with the processes that a pod invents', () => {
    const store = new ReportStore(0);
    for (let pid = 1; pid <= 1_000; pid++) store.put(report(pid, { pid }));
    const pids = store.of('uid-a').map(({ pid }) => pid);
    expect(pids).toHaveLength(64);
    expect([Math.min(...pids), Math.max(...pids)]).toEqual([937, 1_000]);
  });

  it('forgets pods that are gone and processes that are silent, but not that there was one', () => {
    const store = new ReportStore(0);
    store.put(report(1, { podUid: 'gone' }));
    store.put(report(1, { podUid: 'silent' }));
    store.put(report(2, { podUid: 'silent', pid: 2 }));
    store.put(report(1));
    store.put(report(9, { pid: 2 }));
    store.prune((uid) => uid !== 'gone', 5);
    expect(['gone', 'silent', 'uid-a'].map((uid) => kept(store, uid))).toEqual([[], ['app/2 2'], ['app/2 9']]);
  });
});
