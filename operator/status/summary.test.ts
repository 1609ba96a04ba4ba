import { describe, expect, it } from '@jest/globals';
import type { ClusterTracingPolicy, TracingPolicy, TracingPolicySpec } from '../../crds/tracing-policy.ts';
import type { PodMeta } from '../policy/cluster-view.ts';
import type { KeptReport } from '../reports/report.ts';
import { policyMark, resolve } from '../../injector/resolve.ts';
import type { NamespaceFacts } from './summary.ts';
import { rolledBack } from '../rollout/sample-restart.ts';
import { summarize } from './summary.ts';
import { PATIENCE } from './behind.ts';

const time = '2026-01-01T00:00:00Z';
const meta = (name: string) => ({ name, uid: name, resourceVersion: '1', creationTimestamp: time });
const policy = (name: string, spec: TracingPolicySpec = {}): TracingPolicy => ({
  kind: 'TracingPolicy',
  metadata: { ...meta(name), namespace: 'shop' },
  spec,
});
const base: ClusterTracingPolicy = { kind: 'ClusterTracingPolicy', metadata: meta('base'), spec: {} };
const pod = (name: string, annotations: Record<string, string> = {}, more: Partial<PodMeta> = {}): PodMeta => ({
  metadata: { ...meta(name), namespace: 'shop', labels: { app: 'web', 'pod-template-hash': 'h1' }, annotations },
  ...more,
});
const NOW = Date.parse('2026-01-02T00:00:00Z');
const MINUTE = 60_000;
const report0: KeptReport = {
  ...{ namespace: 'shop', pod: 'a', podUid: 'a', container: 'app', pid: 1 },
  ...{ key: 'none', revision: 'none', agentVersion: '1', nodeVersion: 'v24', receivedAt: NOW - MINUTE },
};
const asked = { 'tracing.acme/inject': 'true' };

const sum = (facts: {
  namespaced?: TracingPolicy[];
  cluster?: ClusterTracingPolicy[];
  injected?: PodMeta[];
  others?: PodMeta[];
  labels?: Record<string, string>;
  reports?: Record<string, Partial<KeptReport>[]>;
  listeningSince?: number;
  behindFor?: NamespaceFacts['behindFor'];
  outage?: string;
  notReached?: string;
  integrations?: NamespaceFacts['integrations'];
  restarts?: NamespaceFacts['restarts'];
}) =>
  summarize({
    reports: (uid) => (facts.reports?.[uid] ?? []).map((report, pid) => ({ ...report0, podUid: uid, pid, ...report })),
    now: NOW,
    whyNoAgent: () => facts.outage,
    notReached: facts.notReached,
    agentName: (agent) => agent?.image ?? 'chart',
    failedStarts: () => 0,
    restarts: facts.restarts ?? [],
    integrations: 'integrations' in facts ? facts.integrations : [],
    listeningSince: facts.listeningSince ?? 0,
    behindFor: facts.behindFor ?? (() => Infinity),
    namespace: { metadata: { ...meta('shop'), labels: facts.labels ?? {} } },
    policies: { namespaced: facts.namespaced ?? [policy('p')], cluster: facts.cluster ?? [], defaults: {} },
    injected: facts.injected ?? [],
    others: facts.others ?? [],
  });

describe('the summary of a namespace', () => {
  it('has what became of meshes by policy, and says where that is not known yet', () => {
    const outcome = { policy: 'TracingPolicy shop/p', name: 'Istio', state: 'Configured', message: '10 %' } as const;
    const known = sum({ cluster: [base], integrations: [outcome] });
    const { name, state, message } = outcome;
    expect(known.get('TracingPolicy shop/p')).toMatchObject({
      integrations: [{ name, namespace: 'shop', state, message }],
      isPending: false,
    });
    const pending = sum({ cluster: [base], integrations: undefined });
    expect([...pending].map(([id, { isPending }]) => [id, isPending])).toEqual([
      ['TracingPolicy shop/p', true],
      ['ClusterTracingPolicy base', true],
    ]);
  });

  it('counts pods that have the agent and pods that ask for it and do not', () => {
    const summary = sum({ injected: [pod('a', asked), pod('b', asked)], others: [pod('c', asked), pod('d')] });
    expect(summary.get('TracingPolicy shop/p')?.pods).toMatchObject({ matched: 3, missing: 1 });
  });

  it('names the workloads of pods that are missing, with the number of their pods', () => {
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-h1', controller: true }];
    const owned = (name: string) => {
      const made = pod(name, asked);
      return { ...made, metadata: { ...made.metadata, ownerReferences } };
    };
    const { workloads } = sum({ others: [owned('web-h1-x'), owned('web-h1-y'), pod('bare', asked)] }).get(
      'TracingPolicy shop/p',
    )!;
    expect(workloads).toMatchObject([
      { kind: 'Deployment', name: 'web', reason: 'Missing', pods: 2 },
      { kind: 'Pod', name: 'bare', reason: 'Missing', pods: 1 },
    ]);
  });

  it('tells pods that a restart would help from those for which there is no agent to be had', () => {
    const facts = { others: [pod('a', asked)] };
    const without = sum(facts).get('TracingPolicy shop/p');
    expect(without).toMatchObject({ unavailable: 0, outages: [], workloads: [{ reason: 'Missing' }] });
    const summary = sum({ ...facts, outage: 'ErrImagePull: no such image' }).get('TracingPolicy shop/p');
    expect(summary).toMatchObject({
      ...{ pods: { missing: 1 }, unavailable: 1, outages: ['namespace shop: ErrImagePull: no such image'] },
      workloads: [{ reason: 'AgentUnavailable', message: 'ErrImagePull: no such image' }],
    });
  });

  it('does not miss the agent where pods are never looked at, and says so to who asked there', () => {
    const notReached = 'pods of namespace shop are never looked at: …';
    const own = { others: [pod('a', asked)], injected: [pod('b', asked)], notReached };
    expect(sum(own).get('TracingPolicy shop/p')).toMatchObject({
      ...{ pods: { matched: 1, missing: 0 }, workloads: [{ name: 'b' }], unreached: [notReached] },
    });
    const wide = { ...base, spec: { injection: 'All' as const } };
    expect(sum({ namespaced: [], cluster: [wide], others: [pod('a')], notReached })).toEqual(new Map());
    const narrow = sum({ namespaced: [policy('p', { injection: 'All' })], others: [pod('a')], notReached });
    expect(narrow.get('TracingPolicy shop/p')?.unreached).toEqual([notReached]);
  });

  it('notes what a restart would help, where the policy has it restarted, and how that stands', () => {
    const rollout = policy('p', { rollout: { strategy: 'Restart' } });
    const left = (reason: string) => ({ ...asked, 'tracing.acme/status': JSON.stringify({ injected: [], reason }) });
    const others = [pod('a', asked), pod('b', left('OtherTracer')), pod('c', left('AgentUnavailable'))];
    const stale = (more: Parameters<typeof sum>[0]) => sum({ others, ...more }).get('TracingPolicy shop/p')?.stale;
    const names = (more: Parameters<typeof sum>[0]) => stale(more)?.map(({ name }) => name);
    expect(names({ namespaced: [rollout] })).toEqual(['a', 'c']);
    expect(names({})).toEqual([]);
    expect(names({ namespaced: [rollout], outage: 'ErrImagePull' })).toEqual([]);
    expect(names({ namespaced: [policy('p', { ...rollout.spec, enabled: false })] })).toEqual([]);

    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', controller: true }];
    const made = pod('web-0', asked);
    const owned = { ...made, metadata: { ...made.metadata, ownerReferences } };
    const restart = rolledBack('it crashed');
    expect(sum({ others: [owned], restarts: [restart] }).get('TracingPolicy shop/p')).toMatchObject({
      ...{ unavailable: 1, pods: { missing: 1 } },
      workloads: [{ name: 'web', reason: 'RolledBack', message: 'it crashed' }],
    });
  });

  it('says of a pod that hangs by its agent that it does, once that is certain', () => {
    const trouble = { reason: 'ImagePullBackOff', message: 'no such image' };
    const state = (began: number) =>
      sum({ injected: [pod('a', asked, { start: { began, trouble } })] }).get('TracingPolicy shop/p');
    expect(state(NOW - 5_000)).toMatchObject({ pods: { failed: 0 } });
    expect(state(NOW - MINUTE)).toMatchObject({ pods: { failed: 1 }, workloads: [{ reason: 'AgentUnavailable' }] });
  });

  it('finds pods missing by the label of their namespace and by a policy that injects all', () => {
    const others = [pod('silent'), pod('says-no', { 'tracing.acme/inject': 'false' })];
    expect(sum({ others }).size).toBe(0);
    expect(sum({ others, labels: { 'tracing.acme/inject': 'true' } }).get('TracingPolicy shop/p')?.pods.missing).toBe(
      1,
    );
    const namespaced = [policy('p', { injection: 'All' })];
    expect(sum({ others, namespaced }).get('TracingPolicy shop/p')?.pods.missing).toBe(1);
  });

  it('leaves out pods that have ended or are on their way out', () => {
    const leaving = pod('leaving', asked);
    leaving.metadata.deletionTimestamp = time;
    const ended = pod('ended', asked, { status: { phase: 'Succeeded' } });
    expect(sum({ injected: [ended, leaving] }).size).toBe(0);
  });

  it('says at both policies which one is in force where two match', () => {
    const summary = sum({ cluster: [base], namespaced: [policy('p')], injected: [pod('a', asked)] });
    const overlaps = [
      'TracingPolicy shop/p over ClusterTracingPolicy base as a TracingPolicy of the namespace selects the pods',
    ];
    expect(summary.get('TracingPolicy shop/p')?.overlaps).toEqual(overlaps);
    expect(summary.get('ClusterTracingPolicy base')).toMatchObject({ overlaps, pods: { matched: 0 } });
  });

  it.each<[string, TracingPolicySpec, object]>([
    ['by priority, 10 before 0', { priority: 10 }, {}],
    ['as the older one', {}, { creationTimestamp: '2026-01-03T00:00:00Z' }],
    ['as the first by name, both being of one age', {}, {}],
  ])('says why one policy of a namespace comes before another: %s', (why, spec, more) => {
    const other = { ...policy('q'), metadata: { ...policy('q').metadata, ...more } };
    const summary = sum({ namespaced: [policy('p', spec), other], injected: [pod('a', asked)] });
    expect(summary.get('TracingPolicy shop/q')?.overlaps).toEqual([
      `TracingPolicy shop/p over TracingPolicy shop/q ${why}`,
    ]);
  });

  it("counts pods as outdated that are older than the policy's use of a Secret", () => {
    const secret = (name: string): TracingPolicySpec => ({
      exporters: [
        {
          name: 'main',
          endpoint: 'https://collector.example:4318',
          headers: [{ name: 'authorization', valueFrom: { secretKeyRef: { name, key: 'token' } } }],
        },
      ],
    });
    const namespaced = [policy('p', secret('new'))];
    const mark = policyMark(resolve({ namespaced, cluster: [], defaults: {} }, { namespace: 'shop' }).document);
    const made = (name: string, with_: string) => pod(name, asked, { credentials: [`secret/${with_}/token`] });
    const injected = [made('a', 'old'), made('b', 'new'), pod('c', asked)];
    const found = sum({ namespaced, injected, reports: { a: [mark], b: [mark], c: [mark] } });
    expect(found.get('TracingPolicy shop/p')).toMatchObject({
      pods: { current: 1, outdated: 2, reporting: 3 },
      workloads: [
        { name: 'a', reason: 'Outdated', message: expect.stringContaining('key token of Secret new: restart it') },
        { name: 'c', reason: 'Outdated' },
      ],
    });
  });

  describe('goes by what agents report', () => {
    const mark = policyMark(
      resolve({ namespaced: [policy('p')], cluster: [], defaults: {} }, { namespace: 'shop' }).document,
    );
    const of = (reports: Partial<KeptReport>[], listeningSince = 0) => {
      const { pods, workloads } = sum({ injected: [pod('a', asked)], reports: { a: reports }, listeningSince }).get(
        'TracingPolicy shop/p',
      )!;
      const counts = Object.entries(pods).filter(([, count]) => count > 0);
      return [counts.map(([name]) => name).join(' '), workloads.map(({ reason }) => reason).join()];
    };
    it.each<[string, Partial<KeptReport>[], string, string]>([
      ['the newest revision', [mark], 'matched injected reporting current', ''],
      ['another revision', [{ ...mark, revision: 'old' }], 'matched injected reporting outdated', 'Outdated'],
      [
        'one process of two behind',
        [mark, { ...mark, key: 'none' }],
        'matched injected reporting outdated',
        'Outdated',
      ],
      ['a failure', [{ ...mark, failure: 'dd-trace is there' }], 'matched injected failed', 'AgentFailed'],
      ['long ago', [{ ...mark, receivedAt: NOW - 10 * MINUTE }], 'matched injected unknown', 'ReportsStopped'],
      ['never, though there was time', [], 'matched noAgentReport', 'NoAgentReport'],
    ])('%s', (_name, reports, counts, reasons) => expect(of(reports)).toEqual([counts, reasons]));

    it('another revision for less than it may take: it is on its way, and no trouble', () => {
      const noted: string[] = [];
      const behindFor = (podUid: string, wanted: string) => (noted.push(podUid, wanted), PATIENCE - 1);
      const reports = { a: [{ ...mark, revision: 'old' }] };
      const { pods, workloads } = sum({ injected: [pod('a', asked)], reports, behindFor }).get('TracingPolicy shop/p')!;
      expect(pods).toMatchObject({ outdated: 1, reporting: 1 });
      expect(workloads).toEqual([]);
      expect(noted).toEqual(['a', `${mark.key} ${mark.revision}`]);
    });

    describe('which also say, in their own words,', () => {
      const says = (...reports: Partial<KeptReport>[]) =>
        sum({
          namespaced: [policy('p')],
          injected: reports.map((_report, index) => pod(`pod${index}`, asked)),
          reports: Object.fromEntries(reports.map((report, index) => [`pod${index}`, [{ ...mark, ...report }]])),
        }).get('TracingPolicy shop/p')!;
      const exporter = { name: 'default', exported: 0, dropped: 0, errors: 0, queued: 0, queueSize: 2048 };

      it('what the policy asks for and they cannot do', () => {
        const problems = ['exporter default: it needs key k of Secret s, which is not there'];
        const { pods, ...rest } = says({ problems });
        expect(rest.problems).toEqual(problems);
        expect(rest.workloads).toMatchObject([{ name: 'pod0', reason: 'PolicyProblem', message: problems[0] }]);
        expect(pods.current).toBe(1);
      });

      it.each([
        ['collector:4318: HTTP 503', /^exporter default: collector:4318: HTTP 503$/],
        ['collector:4318: HTTP 404', /HTTP 404 \(nothing takes them at that path: .*added to the endpoint/],
        ['collector:4317: ECONNRESET', /ECONNRESET \(what listens there hung up\. .*4317.*4318/],
        ['collector:4318: EPROTO', /EPROTO \(it speaks no TLS there: /],
        ['collector:4318: connect ECONNREFUSED', /ECONNREFUSED \(nothing listens there: /],
        [
          'collector:4317: HPE_INVALID_CONSTANT',
          /HPE_INVALID_CONSTANT \(is it the port of the other protocol\? .*4317.*4318\)$/,
        ],
        ['colector:4318: getaddrinfo ENOTFOUND colector', /\(there is no such host: /],
      ])('why spans are lost, and what is most often behind it: %s', (trouble, expected) => {
        const { troubles, workloads, problems } = says({
          exporters: [
            { ...exporter, name: 'other' },
            { ...exporter, trouble },
          ],
        });
        expect(troubles).toEqual([expect.stringMatching(expected)]);
        expect(workloads).toMatchObject([{ name: 'pod0', reason: 'ExportFailing', message: troubles[0] }]);
        expect(problems).toEqual([]);
      });

      it('which libraries give no spans, for information', () => {
        const { workloads, problems, troubles } = says({
          uninstrumented: [
            { library: 'pg@6.4.2', why: 'UnsupportedVersion' },
            { library: 'redis@4.7.0', why: 'SwitchedOff' },
            { library: 'koa', why: 'AReasonOfTomorrow' },
          ],
        });
        const message = 'no spans of pg@6.4.2 (its instrumentation is for other versions), koa (AReasonOfTomorrow)';
        expect(workloads).toEqual([
          { namespace: 'shop', kind: 'Pod', name: 'pod0', reason: 'NotInstrumented', pods: 1, message },
        ]);
        expect([...problems, ...troubles]).toEqual([]);
        expect(says({ uninstrumented: [{ library: 'redis@4.7.0', why: 'SwitchedOff' }] }).workloads).toEqual([]);
      });

      it('each thing once, in no more words than the API server takes', () => {
        const problems = Array.from({ length: 8 }, (_item, index) => `${index}`.repeat(200));
        const { workloads, ...rest } = says({ problems }, { problems });
        expect(rest.problems).toEqual(problems);
        for (const { message } of workloads) expect(message).toMatch(/^0{200}; 1{200}; 2{107}…$/);
      });

      it('and no more when that was long ago', () => {
        const old = { receivedAt: NOW - 10 * MINUTE, problems: ['p'], exporters: [{ ...exporter, trouble: 't' }] };
        const { workloads, problems, troubles } = says(old);
        expect([...problems, ...troubles]).toEqual([]);
        expect(workloads.map(({ reason }) => reason)).toEqual(['ReportsStopped']);
      });

      it('numbers that run, which make no difference', () => {
        const counters = {
          started: 1,
          sampled: 1,
          exported: 1,
          queueFull: 0,
          exportFailed: 0,
          shutdown: 0,
          exceptions: 0,
        };
        const before = says({ counters, exporters: [exporter], receivedAt: NOW - MINUTE });
        const after = says({
          counters: { ...counters, started: 900, queueFull: 7 },
          exporters: [{ ...exporter, exported: 900, dropped: 7, queued: 100 }],
          receivedAt: NOW,
        });
        expect(after).toEqual(before);
      });
    });

    it('and not by their silence while there was no time to hear them', () => {
      expect(of([], NOW - MINUTE)).toEqual(['matched injected unknown', '']);
    });
  });
});
