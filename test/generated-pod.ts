import fc from 'fast-check';
import type { Container, EnvVar, Pod } from '../injector/pod.ts';

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
const amounts = (cpu: string[], memory: string[], storage: string[]) =>
  fc.record(
    {
      cpu: fc.constantFrom(...cpu),
      memory: fc.constantFrom(...memory),
      'ephemeral-storage': fc.constantFrom(...storage),
    },
    { requiredKeys: [] },
  );
/** Limits are seldom below the requests beside them, which the API server refuses. */
const resources = fc.record(
  {
    requests: amounts(['10m', '0.5', '1'], ['64Mi', '100M', '1e8'], ['1Mi', '1Gi']),
    limits: amounts(['1', '2'], ['100M', '1Gi'], ['1Mi', '1Gi', '2Gi']),
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
        resources,
        volumeMounts: fc.uniqueArray(
          fc.record({ name: fc.constantFrom('v1', 'v2'), mountPath: fc.constantFrom('/data', '/run', '/var', '/') }),
          { maxLength: 2, selector: ({ mountPath }) => mountPath },
        ),
      },
      { requiredKeys: ['name', 'image'] },
    )
    .map((made) => made as Container);
/** Pods as nobody would write them, most of which the API server takes. */
export const generatedPod: fc.Arbitrary<Pod> = fc
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
      { requiredKeys: ['containers', 'volumes'] },
    ),
  })
  // As JSON has it: without what is undefined.
  .map((made) => JSON.parse(JSON.stringify(made)) as Pod);
