import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { run } from '../cluster/command.ts';
import { CHECKOUT } from '../docs/pages.ts';
import { untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

const SCRIPT = 'cd "$1"; shift; "$0" "$@" 2>&1 </dev/null; echo "exit code $?"';
const POLICY = { apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy', metadata: { name: 'default' }, spec: {} };
const FILES: Record<string, string> = {
  'broken.yaml': 'a: [b\n',
  'empty.yaml': '',
  'text.yaml': 'only text',
  'other.yaml': JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }),
  'kind.yaml': JSON.stringify({ ...POLICY, kind: 'TracingPolicies' }),
  'field.yaml': JSON.stringify({ ...POLICY, spec: { samplng: {}, ratio: 1 } }),
  'good.yaml': JSON.stringify(POLICY),
};
/** Verbs with a file of policies, which each sort of wrong file is given to. */
const OF_POLICIES = ['lint -f', 'plan -f', 'gateway nginx -f', 'inject -f good.yaml --policy', 'run --policy'];
/** Verbs that work on a workload or a namespace of the cluster. */
const OF_CLUSTER = [
  ...['status', 'off --dry-run', 'on --dry-run', 'plan -f good.yaml'],
  ...['explain web', 'verify deployment/web', 'sampling web'],
];

/** Each verb, used wrongly in every way: says what is wrong, where, what is allowed and an example, and ends with 2. */
describe('kubectl tracing, used wrongly', () => {
  const namespace = `wrong-${randomBytes(3).toString('hex')}`;
  const directory = mkdtempSync(join(tmpdir(), 'wrong-usage-'));
  let cluster: Cluster;

  const tracing = (line: string) => {
    const [words = '', command] = line.split(' -- ');
    const args = [...words.split(' '), ...(command === undefined ? [] : ['--', ...command.split(' ')])];
    return cluster.run('bash', ['-c', SCRIPT, join(CHECKOUT, 'dist/kubectl-tracing'), directory, ...args]);
  };
  const apply = (object: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(object) });

  beforeAll(async () => {
    const { cluster: made, images } = await withOperator();
    cluster = made;
    for (const script of ['cli/build.ts', 'injector/agent/build.ts'])
      await run(process.execPath, [script], { cwd: CHECKOUT });
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text);
    writeFileSync(join(directory, 'binary.yaml'), Buffer.from([0xff, 0x00, 0xfe]));
    mkdirSync(join(directory, 'folder.yaml'));
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 20_000);
    const { metadata, spec } = nodePod(images.shop.ref, 'web');
    const template = { metadata: { labels: metadata.labels }, spec };
    const selector = { matchLabels: metadata.labels };
    const workload = (kind: string, name: string) =>
      apply({ apiVersion: 'apps/v1', kind, metadata: { name }, spec: { replicas: 0, selector, template } });
    await workload('Deployment', 'web');
    await workload('StatefulSet', 'stock');
    await workload('Deployment', 'both');
    await workload('StatefulSet', 'both');
  }, 300_000);

  afterAll(async () => {
    rmSync(directory, { recursive: true, force: true });
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it.each([
    ['missing.yaml', /missing\.yaml: there is no such file\. A file is expected, or - /],
    ['folder.yaml', /folder\.yaml: it is a directory\. A file is expected, or - /],
    ['binary.yaml', /binary\.yaml: it is not text in UTF-8/],
    ['broken.yaml', /broken\.yaml, document 1, line 2: this is not YAML: /],
    ['empty.yaml', /empty\.yaml: there is no policy in it\. What is expected is a TracingPolicy [^]*, e\.g\. /],
    ['text.yaml', /text\.yaml, document 1, line 1: an object is expected, e\.g\. /],
    ['other.yaml', /other\.yaml[^]* ConfigMap of v1[^]* a TracingPolicy or ClusterTracingPolicy [^]*, e\.g\. /],
    ['kind.yaml', /TracingPolicies of tracing\.acme\/v1alpha1 \(Did you mean TracingPolicy\?\)[^]*, e\.g\. /],
    ['field.yaml', /spec\.samplng: [^]*there is no such field\.\s+Did you mean sampling\?/],
  ])(
    'has each verb that takes policies say what is wrong with %s',
    async (file, expected) => {
      for (const verb of OF_POLICIES) {
        const said = await tracing(`${verb} ${file}${verb.startsWith('run') ? ' -- node -e 1' : ''}`);
        // Of a policy that would be refused lint has nothing wrong to complain of, but to say so.
        const code = verb.startsWith('lint') && file === 'field.yaml' ? 1 : 2;
        expect([verb, said]).toEqual([verb, expect.stringMatching(expected)]);
        expect([verb, said.split('\n').at(-2)]).toEqual([verb, `exit code ${code}`]);
        expect(said).not.toMatch(/\n +at /);
      }
    },
    120_000,
  );

  it('knows which namespaces there are', async () => {
    for (const verb of OF_CLUSTER)
      expect([verb, await tracing(`${verb} -n ${namespace}-not`)]).toEqual([
        verb,
        `kubectl tracing: there is no namespace ${namespace}-not. Which there are: kubectl get namespaces\nexit code 2\n`,
      ]);
  }, 120_000);

  it('says to whoever has no rights which role is enough', async () => {
    await cluster.run('kubectl', ['--namespace', namespace, 'create', 'serviceaccount', 'nobody']);
    const token = await cluster.run('kubectl', ['--namespace', namespace, 'create', 'token', 'nobody']);
    const file = join(directory, 'kubeconfig.json');
    const config = JSON.parse(
      await cluster.run('kubectl', ['config', 'view', '--raw', '--minify', '--output=json']),
    ) as { users: { name: string; user: object }[] };
    writeFileSync(file, JSON.stringify({ ...config, users: [{ ...config.users[0], user: { token: token.trim() } }] }));
    for (const verb of OF_CLUSTER) {
      const said = await cluster.run('env', [
        `KUBECONFIG=${file}`,
        ...['bash', '-c', SCRIPT, join(CHECKOUT, 'dist/kubectl-tracing'), directory],
        ...`${verb} -n ${namespace}`.split(' '),
      ]);
      expect([verb, said]).toEqual([
        verb,
        expect.stringMatching(/you may not [^]*the role (view|edit) is enough, e\.g\. [^]*exit code 2\n$/),
      ]);
    }
  }, 120_000);

  it.each([
    ['explian web', /no verb explian\. Did you mean explain\? Verbs: status, /],
    ['help explian', /no verb explian\. Did you mean explain\?/],
    [
      'run --polisy good.yaml -- node -e 1',
      /unknown option '--polisy'\. Did you mean --policy\? Options and examples: /,
    ],
    [
      'status --nothing-like-it',
      /unknown option '--nothing-like-it'\. Options and examples: kubectl tracing status --help/,
    ],
    ['status -o jsn', /--output has to be one of table, json, yaml, not jsn\. E\.g\. /],
    ['gateway apache -f good.yaml', /PROXY has to be one of nginx, envoy, not apache\. E\.g\. /],
    ['completion tcsh', /PROGRAM has to be one of kubectl, bash, zsh, fish, not tcsh\. E\.g\. /],
    ['migrate', /-f is missing, e\.g\. -f instrumentation\.yaml/],
    ['inject', /-f is missing, e\.g\. -f web\.yaml/],
    ['explain', /WORKLOAD is missing: KIND\/NAME, [^]*, e\.g\. kubectl tracing explain deployment\/web\./],
    ['explain deploymnt/web', /"deploymnt" is none of deployment, [^]*Did you mean deployment\?/],
    ['verify web --for 5s', /from 10s to 10m is expected, e\.g\. --for 10m/],
    ['verify web --request abc', /a port of the pod and a path are expected, e\.g\. --request 8080\/orders\/1/],
    ['sampling web --ratio 2 --for 10m', /a number from 0 \(none\) to 1 \(all\) is expected, e\.g\. --ratio 0\.5/],
    ['sampling web --ratio 0.5 --for 5s', /from 10s to 24h is expected, e\.g\. --for 10m/],
    ['ui --port abc', /a number from 0 to 65535, not abc, e\.g\. --port 8899/],
    ['run --agent /nowhere -- node -e 1', /--agent \/nowhere: there is no register\.cjs in it/],
    ['off --all-namespaces -n shop', /cannot be used with option '-n, --namespace <name>'/],
  ])('%s', async (line, expected) => {
    const said = await tracing(line);
    expect(said).toMatch(expected);
    // On one line, so that a suggestion can be read and found.
    expect(said.split('\n')).toEqual([expect.any(String), 'exit code 2', '']);
  });

  it('takes a name alone where one workload has it, by every verb, and asks which is meant where several have', async () => {
    for (const verb of ['explain', 'verify', 'sampling']) {
      const said = await tracing(`${verb} both -n ${namespace}`);
      expect(said).toBe(
        `kubectl tracing: several workloads of namespace ${namespace} are called both. Which is meant: deployment/both, statefulset/both?\nexit code 2\n`,
      );
      expect(await tracing(`${verb} nothing -n ${namespace}`)).toMatch(
        /no Deployment nothing [^]*There are both, web\n/,
      );
    }
    expect(await tracing(`explain stock -n ${namespace}`)).toMatch(/^StatefulSet wrong-[^]*exit code 0\n$/);
    expect(await tracing(`explain web -n ${namespace}`)).toMatch(/^Deployment wrong-[^]*exit code 0\n$/);
    expect(await tracing(`sampling stock -n ${namespace}`)).toMatch(/no policy is in force for statefulset\/stock/);
  }, 60_000);
});
