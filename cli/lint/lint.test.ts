import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { dump } from 'js-yaml';
import { completeExamples } from '../../crds/reference.ts';
import { readInstrumentations } from '../../injector/agent/generate.ts';
import { InputError } from '../input-error.ts';
import { KNOWN } from './instrumentations.ts';
import { lint } from './lint.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COLLECTOR = { name: 'default', endpoint: 'http://otel-collector.observability:4318' };

const HEAD = { apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy' };

function policy(spec: object, kind = 'TracingPolicy'): string {
  return dump({ apiVersion: 'tracing.acme/v1alpha1', kind, metadata: { name: 'default' }, spec });
}
const found = (spec: object, kind?: string) =>
  lint(policy(spec, kind), 'policy.yaml').findings.map(({ rule, field }) => `${rule} ${field}`);

describe('what the API server would refuse', () => {
  it('is said with its place, all at once, in the words of the schema', () => {
    const { findings } = lint(
      policy({ sampling: { ratio: 1.5 }, exporters: [{ name: 'A', endpoint: 'collector:4318' }] }),
      'policy.yaml',
    );
    expect(findings.map(({ level, field, position, what }) => [level, field, position, what])).toEqual([
      ['Refused', 'spec.sampling.ratio', 'policy.yaml, document 1, line 7', expect.stringContaining('at most 1')],
      ['Refused', 'spec.exporters[0].name', 'policy.yaml, document 1, line 9', expect.stringContaining('e.g. default')],
      ['Refused', 'spec.exporters[0].endpoint', expect.any(String), expect.stringContaining('http://HOST')],
    ]);
  });

  it('takes items without a name for no duplicates', () => {
    expect(found({ exporters: [null] })).toEqual(['Invalid spec.exporters[0]']);
    const nameless = { nme: 'a', endpoint: COLLECTOR.endpoint };
    const { findings } = lint(policy({ exporters: [nameless, nameless] }), 'policy.yaml');
    expect(findings.map(({ what }) => what)).not.toContainEqual(expect.stringContaining('is the same as'));
  });

  it('names fields that there are not beside what else is wrong, line by line, and what was meant', () => {
    const text = [
      'apiVersion: tracing.acme/v1alpha1',
      'kind: TracingPolicy',
      'metadata: {name: default,',
      '  lables: {a: b}}',
      'spec:',
      '  samplng: {ratio: 1}',
      '  sampling: {ratio: 2,',
      '    ration: 0.5}',
      '  exporters:',
      '    - name: default',
      '      endpont: http://collector:4318',
      '      protocol: gprc',
      '  nonsense: 1',
      '  endpoint: http://collector:4318',
      'stats: {}',
    ].join('\n');
    const near = ({ what }: { what: string }) => /Did you mean ([^?]*)\?/.exec(what)?.[1];
    const { findings } = lint(text, 'policy.yaml');
    expect(findings.map((each) => [Number(/line (\d+)$/.exec(each.position)![1]), each.field, near(each)])).toEqual([
      [4, 'metadata.lables', 'labels'],
      [6, 'spec.samplng', 'sampling'],
      [7, 'spec.sampling.ratio', undefined],
      [8, 'spec.sampling.ration', 'ratio'],
      [10, 'spec.exporters[0].endpoint', undefined],
      [11, 'spec.exporters[0].endpont', 'endpoint'],
      [12, 'spec.exporters[0].protocol', 'grpc'],
      [13, 'spec.nonsense', undefined],
      [14, 'spec.endpoint', 'spec.exporters.endpoint'],
      [15, 'stats', 'status'],
    ]);
  });

  it('has a version that is not served', () => {
    const { findings } = lint(policy({ exporters: [COLLECTOR] }).replace('v1alpha1', 'v1'), 'policy.yaml');
    expect(findings.map(({ level, field, what }) => [level, field, what])).toEqual([
      [
        'Refused',
        'apiVersion',
        expect.stringContaining('tracing.acme/v1 is not served: TracingPolicy is of tracing.acme/v1alpha1'),
      ],
    ]);
  });

  it('has what rules of several fields say, fields that there are not, and what stands twice', () => {
    expect(found({ exporters: [{ ...COLLECTOR, tls: {} }] })).toEqual(['Invalid spec.exporters[0]']);
    expect(found({ sampling: { ration: 1 }, samplng: {} })).toEqual([
      'Invalid spec.sampling.ration',
      'Invalid spec.samplng',
    ]);
    expect(found({ exporters: [COLLECTOR, { ...COLLECTOR, endpoint: 'http://other:4318' }] })).toEqual([
      'Invalid spec.exporters[1]',
    ]);
    expect(found({ propagators: ['b3', 'b3'] })).toEqual(['Invalid spec.propagators[1]']);
    expect(lint('apiVersion: tracing.acme/v1alpha1\nkind: TracingPolicy\nmetadata: {name: a}', 'p').findings).toEqual([
      expect.objectContaining({ level: 'Refused', field: 'spec' }),
    ]);
  });

  it.each<[string, unknown, [field: string, what: RegExp][]]>([
    ['no name', {}, [['metadata.name', /is missing, e\.g\. name: default/]]],
    ['nothing', undefined, [['metadata', /is missing/]]],
    ['a name that is none', { name: 'My_Policy' }, [['metadata.name', /Did you mean my-policy\?/]]],
    ['a number', { name: 1 }, [['metadata.name', /has to be a string/]]],
    ['a name to be made', { generateName: 'policy-' }, []],
    ['a namespace that is none', { name: 'a', namespace: 'a.b' }, [['metadata.namespace', /e\.g\. namespace: shop/]]],
    [
      'labels that are none',
      { name: 'a', labels: { 'a b': 'c', d: 'e f', 'example.com/ok': '', n: 1 } },
      [
        ['metadata.labels.a b', /e\.g\. team: web/],
        ['metadata.labels.d', /e\.g\. team: web/],
        ['metadata.labels.n', /e\.g\. team: web/],
      ],
    ],
  ])('has metadata with %s', (_name, metadata, expected) => {
    const text = JSON.stringify({ ...HEAD, metadata, spec: {} });
    expect(lint(text, 'p').findings.map(({ level, field, what }) => [level, field, what])).toEqual(
      expected.map(([field, what]) => ['Refused', field, expect.stringMatching(what)]),
    );
  });

  it('has maps of a size that is not taken', () => {
    const labels = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`l${i}`, 'a']));
    expect(found({ selector: { matchLabels: labels }, sampling: { rules: [{ attributes: {}, drop: true }] } })).toEqual(
      ['Invalid spec.selector.matchLabels', 'Invalid spec.sampling.rules[0].attributes'],
    );
  });

  it.each<[string, object, string]>([
    ['neither of two', { name: 'x' }, 'has neither value nor valueFrom: a header has'],
    [
      'both',
      { name: 'x', value: 'a', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } },
      'has value and valueFrom: a header has',
    ],
  ])('says whether it is %s', (_name, header, expected) => {
    const { findings } = lint(policy({ exporters: [{ ...COLLECTOR, headers: [header] }] }), 'p');
    expect(findings.map(({ what }) => what)).toEqual([expect.stringContaining(expected)]);
  });

  it('says of a template that it is one, where it is refused for that', () => {
    const text = policy({ sampling: { ratio: 'HERE' }, priority: 'a' }).replace('HERE', '{{ .Values.ratio }}');
    expect(
      lint(text, 'p').findings.map(({ field, example }) => [field, example?.includes('helm template') ?? false]),
    ).toEqual([
      ['spec.sampling.ratio', true],
      ['spec.priority', false],
    ]);
  });

  it('is nothing in the complete examples of the reference', () => {
    for (const example of completeExamples())
      expect(lint(dump(example), 'example.yaml').findings.filter(({ level }) => level === 'Refused')).toEqual([]);
  });
});

describe('advice', () => {
  const RULES = {
    catchAll: { paths: ['*'], ratio: 0.1 },
    orders: { methods: ['POST'], paths: ['/orders/*'], ratio: 1 },
  };
  it.each<[string, object, string[]]>([
    ['nothing', { sampling: { ratio: 0.1 }, exporters: [COLLECTOR] }, []],
    [
      'all to many',
      { sampling: { ratio: 1 }, exporters: ['a', 'b', 'c'].map((name) => ({ name, endpoint: `http://${name}:4318` })) },
      ['EverythingToMany spec.sampling.ratio'],
    ],
    ['restarts of nothing', { rollout: { maxUnavailable: 2 } }, ['NothingRestarted spec.rollout']],
    [
      'restarts while off',
      { enabled: false, rollout: { strategy: 'Restart' } },
      ['NothingRestarted spec.rollout.strategy'],
    ],
    ['restarts', { rollout: { strategy: 'Restart' } }, []],
    ['ratio 0', { sampling: { ratio: 0 } }, ['NothingRecorded spec.sampling.ratio']],
    ['ratio 0 and off', { sampling: { ratio: 0 }, enabled: false }, []],
    ['ratio 0 but for some', { sampling: { ratio: 0, rules: [RULES.orders] } }, []],
    ['keep beside all', { sampling: { ratio: 1, keep: { errors: true } } }, ['KeepWithAll spec.sampling.keep']],
    ['keep beside some', { sampling: { ratio: 0.5, keep: { errors: true } } }, []],
    [
      'a rule after a catch-all',
      { sampling: { rules: [RULES.catchAll, RULES.orders] } },
      ['RuleNeverReached spec.sampling.rules[1]'],
    ],
    ['a catch-all at the end', { sampling: { rules: [RULES.orders, RULES.catchAll] } }, []],
    [
      'paths of clients',
      { sampling: { rules: [{ spanKinds: ['Client'], paths: ['/a'], drop: true }] } },
      ['RuleNeverMatches spec.sampling.rules[0]'],
    ],
    [
      'a route as a name',
      { sampling: { rules: [{ spanNames: ['GET /orders'], drop: true }] } },
      ['RuleNeverMatches spec.sampling.rules[0]'],
    ],
    [
      'port of http',
      { exporters: [{ ...COLLECTOR, protocol: 'grpc' }] },
      ['PortOfOtherProtocol spec.exporters[0].endpoint'],
    ],
    [
      'port of grpc',
      { exporters: [{ ...COLLECTOR, endpoint: 'http://c:4317' }] },
      ['PortOfOtherProtocol spec.exporters[0].endpoint'],
    ],
    [
      'path with grpc',
      { exporters: [{ name: 'a', protocol: 'grpc', endpoint: 'http://c:4317/v1/traces' }] },
      ['PathWithGrpc spec.exporters[0].endpoint'],
    ],
    [
      'localhost',
      { exporters: [{ name: 'a', endpoint: 'http://127.0.0.1:4318' }] },
      ['Localhost spec.exporters[0].endpoint'],
    ],
    [
      'a key in plain text',
      { exporters: [{ ...COLLECTOR, headers: [{ name: 'x-api-key', value: 'abc' }] }] },
      ['SecretInPlainText spec.exporters[0].headers[0].value'],
    ],
    ['a tenant in plain text', { exporters: [{ ...COLLECTOR, headers: [{ name: 'x-tenant', value: 'shop' }] }] }, []],
    [
      'a secret over http',
      {
        exporters: [
          { ...COLLECTOR, headers: [{ name: 'x-api-key', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } }] },
        ],
      },
      ['SecretUnencrypted spec.exporters[0].headers[0]'],
    ],
    [
      'a retry that is too late',
      { exporters: [{ ...COLLECTOR, retry: { initialInterval: '30s' } }] },
      ['RetryTooLate spec.exporters[0].retry.initialInterval'],
    ],
    [
      'intervals that shrink',
      { exporters: [{ ...COLLECTOR, retry: { initialInterval: '5s', maxInterval: '1s' } }] },
      ['RetryIntervals spec.exporters[0].retry.maxInterval'],
    ],
    [
      'a long timeout',
      { exporters: [{ ...COLLECTOR, timeout: '1m' }] },
      ['TimeoutNeverReached spec.exporters[0].timeout'],
    ],
    [
      'metrics that are off',
      { exporters: [{ ...COLLECTOR, signals: ['traces', 'metrics'] }] },
      ['SignalIsOff spec.exporters[0].signals'],
    ],
    ['a small queue', { batch: { maxQueueSize: 256 } }, ['BatchNeverFull spec.batch.maxQueueSize']],
    [
      'a queue of one batch',
      { batch: { maxQueueSize: 512, maxExportBatchSize: 512 } },
      ['QueueOfOneBatch spec.batch.maxQueueSize'],
    ],
    ['a larger batch', { batch: { maxExportBatchSize: 4096 } }, ['BatchNeverFull spec.batch.maxExportBatchSize']],
    ['no exporter', { exporters: [] }, ['NoExporter spec.exporters']],
    [
      'one receiver twice',
      { exporters: [COLLECTOR, { ...COLLECTOR, name: 'other' }] },
      ['SentTwice spec.exporters[1].endpoint'],
    ],
    [
      'no traces',
      { signals: { metrics: true }, exporters: [{ ...COLLECTOR, signals: ['metrics'] }] },
      ['NoTraces spec.exporters'],
    ],
    [
      'a gateway for some pods',
      { selector: { matchLabels: { app: 'order' } }, gateway: { trustIncoming: false }, mesh: {} },
      ['ForWholeNamespace spec.mesh', 'ForWholeNamespace spec.gateway'],
    ],
    [
      'gRPC from Kong',
      {
        exporters: [{ ...COLLECTOR, endpoint: 'http://collector:4317', protocol: 'grpc' }],
        gateway: { kong: { mode: 'Enabled' } },
      },
      ['KongNeedsHttp spec.gateway.kong.mode'],
    ],
    ['baggage alone', { propagators: ['baggage'] }, ['TracesBreak spec.propagators']],
    [
      'a list for no baggage',
      { propagators: ['b3'], baggage: { allow: ['tenant'] } },
      ['NoBaggage spec.baggage.allow'],
    ],
  ])('%s', (_name, spec, expected) => {
    expect(found(spec)).toEqual(expected);
  });

  it('knows an override of everything from the kill switch', () => {
    expect(found({ override: true }, 'ClusterTracingPolicy')).toEqual(['OverridesAll spec.override']);
    expect(found({ override: true, enabled: false }, 'ClusterTracingPolicy')).toEqual([]);
  });

  it('knows a label that nothing can have', () => {
    const selector = {
      matchLabels: { 'a b': 'c', 'app.kubernetes.io/name': 'order', tier: 'd e' },
      matchExpressions: [{ key: 'tier', operator: 'In', values: ['web', 'x/y'] }],
    };
    expect(found({ selector })).toEqual([
      'LabelCannotBe spec.selector.matchLabels.a b',
      'LabelCannotBe spec.selector.matchLabels.tier',
      'LabelCannotBe spec.selector.matchExpressions[0].values[1]',
    ]);
    expect(found({ namespaceSelector: { matchLabels: { '/a': 'b' } } }, 'ClusterTracingPolicy')).toEqual([
      'LabelCannotBe spec.namespaceSelector.matchLabels./a',
    ]);
  });

  it('knows all instrumentations of the agent, and which was meant', () => {
    const all = [...readInstrumentations(ROOT).map(({ name }) => name), 'http', 'host-metrics', 'runtime-node'];
    expect(found({ instrumentations: all.map((name) => ({ name })) })).toEqual([]);
    expect(KNOWN).toEqual(all.sort());
    const { findings } = lint(policy({ instrumentations: [{ name: 'postgres' }] }), 'p');
    expect(findings.map(({ rule, field, what }) => [rule, field, what])).toEqual([
      ['UnknownInstrumentation', 'spec.instrumentations[0].name', expect.stringContaining('Did you mean pg?')],
    ]);
  });

  it('knows a policy that stands twice in a file, wherever it is', () => {
    const inNamespace = (namespace: string) => policy({}).replace('name: default', `$&\n  namespace: ${namespace}`);
    const text = [policy({}), inNamespace('a'), inNamespace('b'), policy({}, 'ClusterTracingPolicy'), inNamespace('a')];
    expect(lint(text.join('---\n'), 'p').findings.map(({ rule, position }) => [rule, position])).toEqual([
      ['PolicyTwice', expect.stringContaining('document 5, line')],
    ]);
  });

  it('stands beside what is refused, where it goes by what can be read', () => {
    const exporters = [
      { ...COLLECTOR, protocol: 'grcp' },
      { name: 'b', endpoint: 'http://localhost:4318' },
    ];
    const sampling = { ratio: 1.5, keep: { errors: true } };
    expect(found({ sampling, exporters, batch: { maxQueueSize: 256 } })).toEqual([
      'Invalid spec.sampling.ratio',
      'Invalid spec.exporters[0].protocol',
      'BatchNeverFull spec.batch.maxQueueSize',
      'Localhost spec.exporters[1].endpoint',
    ]);
    // What is off or on cannot be known.
    expect(found({ signals: { metrics: 'no' }, exporters: [{ ...COLLECTOR, signals: ['metrics'] }] })).toEqual([
      'Invalid spec.signals.metrics',
    ]);
  });

  it('says which policies leave their exporters to others', () => {
    const text = [policy({}), policy({ exporters: [] }), policy({ enabled: false }), policy({ priority: 'a' })];
    expect(lint(text.join('---\n'), 'p').withoutExporters).toEqual(['TracingPolicy default']);
  });

  it('names the rate that a queue can hold', () => {
    const [finding] = lint(policy({ batch: { maxQueueSize: 100, scheduleDelay: '500ms' } }), 'p').findings;
    expect(finding?.what).toContain('more than 200 a second');
  });
});

it('takes many documents and lists, and passes other objects over', () => {
  const list = {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Pod' },
      JSON.parse(
        JSON.stringify({
          apiVersion: 'tracing.acme/v1alpha1',
          kind: 'TracingPolicy',
          metadata: { name: 'b' },
          spec: { enabled: 3 },
        }),
      ),
    ],
  };
  const { policies, findings } = lint(`${policy({})}---\n${dump(list)}`, 'all.yaml');
  expect(policies).toBe(2);
  expect(findings.map(({ position, policy }) => [position, policy])).toEqual([
    ['all.yaml, document 2, line 17', 'TracingPolicy b'],
  ]);
  expect(() => lint('kind: Pod', 'pod.yaml')).toThrow(InputError);
});
