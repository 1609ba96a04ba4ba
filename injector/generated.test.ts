import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { applyPatch } from 'rfc6902';
import { diff } from '../webhook/json-patch.ts';
import type { InjectOptions } from './inject.ts';
import { injectPod } from './inject.ts';
import type { Container, EnvVar, Pod } from './pod.ts';
import { quantity } from './quantity.ts';
import { resolve } from './resolve.ts';

/** Pods as nobody would write them: whatever they have, injection must keep it. `make test` makes 2,000 of them, `make soak` 20,000. */
const RUNS = Number(process.env['GENERATED_PODS'] ?? 300);

const options: InjectOptions = {
  agentImage: 'agent:1',
  agentImagePullPolicy: 'IfNotPresent',
  reporting: { url: 'https://operator/reports', ca: 'PEM' },
};

const word = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const variable = fc.constantFrom('NODE_OPTIONS', 'NODE_OPTIONS', 'OTEL_SERVICE_NAME', 'A', 'B', 'TRACING_ACME_AGENT');
const value = fc.constantFrom(
  ...['', '--no-warnings', '--require "/a b.js"', '$(A) --trace-gc', '$(NODE_OPTIONS)', '--permission', 'off'],
  ...['--require dd-trace/init', '--require /var/run/tracing.acme/agent/register.cjs', '$$'],
);
const key = fc.record({ name: word, key: word, optional: fc.boolean() });
const env: fc.Arbitrary<EnvVar> = fc.oneof(
  fc.record({ name: variable, value }),
  fc.record({ name: variable, valueFrom: fc.record({ configMapKeyRef: key }) }),
  fc.record({ name: variable, valueFrom: fc.record({ secretKeyRef: key }) }),
);
const amounts = fc.record(
  {
    cpu: fc.constantFrom('10m', '0.5', '2'),
    memory: fc.constantFrom('64Mi', '1Gi', '100M'),
    'ephemeral-storage': fc.constantFrom('1Mi', '1Gi'),
  },
  { requiredKeys: [] },
);
const container = (names: fc.Arbitrary<string>): fc.Arbitrary<Container> =>
  fc
    .record(
      {
        name: names,
        image: fc.constant('app:1'),
        command: fc.array(fc.constantFrom('node', '--permission', '--allow-fs-read=*', 'server.js', '-r', 'newrelic')),
        env: fc.array(env, { maxLength: 6 }),
        envFrom: fc.array(
          fc.record({ prefix: fc.constantFrom('', 'NODE_', 'X_'), configMapRef: fc.record({ name: word }) }),
          { maxLength: 3 },
        ),
        resources: fc.record({ requests: amounts, limits: amounts }, { requiredKeys: [] }),
        volumeMounts: fc.array(
          fc.record({ name: fc.constantFrom('v1', 'v2'), mountPath: fc.constantFrom('/data', '/run', '/var', '/') }),
          { maxLength: 2 },
        ),
      },
      { requiredKeys: ['name', 'image'] },
    )
    .map((made) => made as Container);
const pod: fc.Arbitrary<Pod> = fc
  .record({
    metadata: fc.record({
      name: word,
      labels: maybe(fc.dictionary(word, word, { maxKeys: 3 })),
      annotations: fc
        .record(
          {
            'tracing.acme/containers': fc.constantFrom('c0', 'c1,i0', ''),
            'tracing.acme/image-node-options': value,
            'resource.opentelemetry.io/service.name': fc.string({ maxLength: 20 }),
          },
          { requiredKeys: [] },
        )
        .map((annotations) => ({ 'tracing.acme/inject': 'true', ...annotations })),
    }),
    spec: fc.record(
      {
        containers: fc
          .array(container(word), { minLength: 1, maxLength: 4 })
          .map((list) => list.map((each, i) => ({ ...each, name: `c${i}` }))),
        initContainers: fc
          .array(container(word), { maxLength: 2 })
          .map((list) => list.map((each, i) => ({ ...each, name: `i${i}` }))),
        volumes: fc.constant([
          { name: 'v1', emptyDir: {} },
          { name: 'v2', configMap: { name: 'c' } },
        ]),
        securityContext: fc.record({ runAsUser: fc.constantFrom(0, 1000) }),
      },
      { requiredKeys: ['containers'] },
    ),
  })
  // As JSON has it: without what is undefined.
  .map((made) => JSON.parse(JSON.stringify(made)) as Pod);

function inject(object: Pod) {
  const { labels, annotations } = object.metadata ?? {};
  const resolution = resolve({ namespaced: [], cluster: [], defaults: {} }, { namespace: 'n', labels, annotations });
  return injectPod(object, { name: 'n', labels: {} }, resolution, options).pod;
}

/** Equal, in the same order; `toEqual` takes some milliseconds for each of thousands. */
function expectSame(a: unknown, b: unknown): void {
  expect(JSON.stringify(a)).toBe(JSON.stringify(b));
}

/** Whether `part` can be got from `whole` by leaving items out. */
function isSubsequence(part: unknown[], whole: unknown[]): boolean {
  const rest = whole.map((item) => JSON.stringify(item));
  return part.every((item) => {
    const at = rest.indexOf(JSON.stringify(item));
    if (at !== -1) rest.splice(0, at + 1);
    return at !== -1;
  });
}

it('keeps everything of a pod, whatever it is, and does it once', () => {
  fc.assert(
    fc.property(pod, (original) => {
      const before = structuredClone(original);
      const after = inject(original);
      expectSame(original, before);
      expect(inject(after)).toBe(after);

      // What is added to: everything else is equal.
      const { containers, initContainers = [], volumes = [], ...others } = after.spec;
      const { containers: _c, initContainers: _i, volumes: _v, ...ownOthers } = before.spec;
      expectSame(others, ownOthers);
      expect(after.metadata).toMatchObject(before.metadata ?? {});
      expect(isSubsequence(before.spec.volumes ?? [], volumes)).toBe(true);

      const all = [...initContainers, ...containers].filter(({ name }) => name !== 'tracing-acme-agent');
      const own = [...(before.spec.initContainers ?? []), ...before.spec.containers];
      expect(all.map(({ name }) => name)).toEqual(own.map(({ name }) => name));
      for (const [i, { env: ownEnv = [], volumeMounts: ownMounts = [], ...rest }] of own.entries()) {
        const { env: newEnv = [], volumeMounts = [], ...same } = all[i]!;
        expectSame(same, rest);
        expect(isSubsequence(ownMounts, volumeMounts)).toBe(true);
        const untouched = (list: EnvVar[]) => list.filter(({ name }) => name !== 'NODE_OPTIONS');
        expect(isSubsequence(untouched(ownEnv), newEnv)).toBe(true);
        // Of what NODE_OPTIONS was, each word and each reference is still there.
        const text = JSON.stringify(newEnv);
        for (const entry of ownEnv) expect(text).toContain(JSON.stringify(entry.valueFrom ?? entry.value).slice(0, -1));
      }

      // The API server refuses a request above its limit.
      const init = initContainers.find(({ name }) => name === 'tracing-acme-agent');
      for (const [name, limit] of Object.entries(init?.resources?.limits ?? {})) {
        const request = init?.resources?.requests?.[name];
        const valid = own.every(({ resources }) => {
          const [asked, most] = [resources?.requests?.[name], resources?.limits?.[name]];
          return asked === undefined || most === undefined || quantity(asked) <= quantity(most);
        });
        if (valid && request !== undefined) expect(quantity(request)).toBeLessThanOrEqual(quantity(limit));
      }

      const patched = structuredClone(before);
      expect(applyPatch(patched, diff(before, after)).filter(Boolean)).toEqual([]);
      expect(patched).toEqual(after);
    }),
    { numRuns: RUNS },
  );
}, 600_000);
