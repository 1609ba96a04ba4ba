import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { run } from '../cluster/command.ts';
import { until } from '../cluster/progress.ts';
import { OPERATOR } from '../demo/deploy.ts';
import type { Images } from '../demo/prepare.ts';
import { OpenPage } from '../page/open-page.ts';
import { tracingUi } from '../page/tracing-ui.ts';
import type { WorkloadDetails } from '../../operator/page/state.ts';
import { withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const SCRIPT = 'PATH="$0:$PATH"; kubectl tracing "$@" 2>&1; echo "exit code $?"';

/** The plug-in as it is delivered, called by kubectl, on a cluster with the operator. */
describe('kubectl tracing', () => {
  const namespace = `cli-${randomBytes(3).toString('hex')}`;
  const directory = mkdtempSync(join(tmpdir(), 'kubectl-tracing-'));
  let cluster: Cluster;
  let images: Images;

  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  /** What it prints, on either output, and its exit code as the last line. */
  const tracing = (args: string[], environment: string[] = []) =>
    cluster.run('env', [...environment, 'sh', '-c', SCRIPT, join(CHECKOUT, 'dist'), ...args]);
  const explain = (...args: string[]) => tracing(['explain', ...args, '-n', namespace]);
  /** Explains again and again until the text is as it should be, and says what it was if it never is. */
  const becomes = async (args: string[], ...expected: (string | RegExp)[]) => {
    let text = '';
    const isThere = (each: string | RegExp) => (typeof each === 'string' ? text.includes(each) : each.test(text));
    try {
      await until('the explanation', 90_000, async () => {
        text = await explain(...args);
        return expected.every(isThere);
      });
    } catch {
      throw new Error(`${expected.filter((each) => !isThere(each)).join(' and ')} not in\n${text}`);
    }
    return text;
  };
  const deployment = (name: string, annotations: Record<string, string> = {}) => {
    const { metadata, spec } = nodePod(images.shop.ref, name);
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, annotations },
      spec: {
        selector: { matchLabels: { app: name } },
        template: { metadata: { labels: metadata.labels }, spec },
      },
    };
  };
  const policy = {
    apiVersion: 'tracing.acme/v1alpha1',
    kind: 'TracingPolicy',
    metadata: { name: 'default' },
    spec: {
      sampling: { ratio: 0.5 },
      exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }],
    },
  };

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    await run(process.execPath, ['cli/build.ts'], { cwd: CHECKOUT });
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await apply(policy);
    await apply({ ...policy, metadata: { name: 'other' }, spec: { selector: { matchLabels: { app: 'other' } } } });
    await apply(deployment('traced', { 'tracing.acme/inject': 'true' }));
    await apply(deployment('plain'));
    await apply(deployment('excluded', { 'tracing.acme/inject': 'false' }));
    await apply(deployment('odd', { 'tracing.acme/inject': 'yes' }));
    await kubectl('rollout', 'status', 'deployment/traced', '--timeout=120s');
  }, 300_000);

  afterAll(async () => {
    rmSync(directory, { recursive: true, force: true });
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('explains a workload that is traced: by whose word, under which policy, and what its agents say', async () => {
    const text = await becomes(['deployment/traced'], /matched, .* current/, 'No problem found.\nexit code 0\n');
    expect(text).toContain(`Deployment ${namespace}/traced`);
    expect(text).toContain('yes, by the annotation tracing.acme/inject: "true" on the Deployment');
    // What the policy leaves out comes from the chart.
    expect(text).toMatch(
      /Policy: +TracingPolicy \S+\/default: ratio 0\.5.*, to default http:\/\/collector\.observability:4318/,
    );
    expect(text).toContain(`TracingPolicy ${namespace}/default: in force: a TracingPolicy of the namespace`);
    expect(text).toContain(`TracingPolicy ${namespace}/other: does not match: its selector is not met`);
    expect(text).toContain('app: gets the agent');
    expect(text).toMatch(/traced-\S+: Running, 1 of 1 ready; agent in app; told policy\.default\.json \S+, the newest/);
    const [pod] = (await kubectl('get', 'pods', '--selector', 'app=traced', '--output', 'name')).split('\n');
    expect(await explain(pod!)).toMatch(/app: has the agent[^]*exit code 0\n$/);
  }, 120_000);

  it('explains one that nobody asked for, and how to ask', async () => {
    const text = await explain('deploy', 'plain');
    expect(text).toContain('no: neither the workload nor its namespace nor a policy does');
    expect(text).toMatch(/plain-\S+: .*; no agent/);
    expect(text).toContain(
      `No problem found.\nTo have it traced: kubectl -n ${namespace} annotate --overwrite deployment/plain tracing.acme/inject=true\nexit code 0\n`,
    );
    expect(await tracing(['verify', 'deployment/plain', '-n', namespace])).toMatch(
      /, not watched: there is no need\n {2}operator +ok +[^]*\n {2}wanted +BROKEN +nobody asks for it[^]*\nBroken at: wanted\n {2}→ kubectl -n \S+ annotate --overwrite deployment\/plain tracing\.acme\/inject=true\nexit code 1\n$/,
    );
  }, 60_000);

  it('explains one that is excluded', async () => {
    expect(await explain('deployment/excluded')).toMatch(
      /no, by the annotation tracing\.acme\/inject: "false" on the Deployment[^]*exit code 0\n$/,
    );
  }, 60_000);

  it('names a problem with the command that solves it', async () => {
    const text = await explain('deployment/odd');
    expect(text).toMatch(/annotation tracing\.acme\/inject: "yes" is neither "true" nor "false"[^]*exit code 1\n$/);
    const command = /^ +(kubectl .*inject=true)$/m.exec(text)?.[1];
    await cluster.run('sh', ['-c', command!]);
    await becomes(['deployment/odd'], 'agent in app', /current/, 'No problem found.\nexit code 0\n');
  }, 120_000);

  it('says of a name that is not there which are', async () => {
    expect(await explain('deployment/trace')).toBe(
      `kubectl tracing: there is no Deployment trace in namespace ${namespace}. There are excluded, odd, plain, traced\nexit code 2\n`,
    );
  }, 60_000);

  it('works for somebody who may only view the namespace, and says what that leaves open', async () => {
    await kubectl('create', 'serviceaccount', 'viewer');
    await kubectl('create', 'rolebinding', 'viewer', '--clusterrole=view', `--serviceaccount=${namespace}:viewer`);
    const token = (await kubectl('create', 'token', 'viewer')).trim();
    const config = JSON.parse(await kubectl('config', 'view', '--raw', '--minify', '--output', 'json')) as {
      users: { user: object }[];
      contexts: { context: { namespace?: string } }[];
    };
    config.users[0]!.user = { token };
    config.contexts[0]!.context.namespace = namespace;
    const file = join(directory, 'kubeconfig');
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    await becomes(['deployment/traced'], /^Reports: /m);
    // The namespace is that of the kubeconfig.
    const text = await tracing(['explain', 'deployment/traced'], [`KUBECONFIG=${file}`]);
    // Whoever may view the namespace may know what its agents say.
    expect(text).toMatch(/^Reports: +as of .* ago: 1 process in 1 pod, agent \S+, Node\.js v\d/m);
    expect(text).toMatch(/acting on policy\.default\.json \S+ \(1 process\)\n +spans since .*: 0 started, 0 sampled/);
    expect(text).toMatch(/exporter default: 0 exported, 0 dropped, 0 errors, 0 of 2048 places in its queue taken/);
    expect(text).toMatch(/memory of the agent in a process: about \d+\.\d MB/);
    expect(text).toMatch(
      /Policy: +TracingPolicy \S+\/default, as the operator delivered it: ratio 0\.5.*, to default http/,
    );
    expect(text).toMatch(/You may not read: +ClusterTracingPolicies: one may apply that is not named here/);
    expect(text).toMatch(/agent in app; told policy\.default\.json \S+, the newest[^]*exit code 0\n$/);
    expect(await tracing(['explain', 'deployment/x', '-n', 'kube-system'], [`KUBECONFIG=${file}`])).toMatch(
      /you may not read Deployment x in namespace kube-system[^]*exit code 2\n$/,
    );
  }, 60_000);

  it('shows the namespace: the operator, each workload that has to do with tracing, and what to do about trouble', async () => {
    await apply(deployment('late', { 'tracing.acme/inject': 'true' }));
    await kubectl('rollout', 'status', 'deployment/late', '--timeout=120s');
    const args = ['status', '-n', namespace];
    const text = await tracing(args);
    expect(text).toMatch(
      /Operator: tracing-system\/tracing-operator \S+ 2 of 2 replicas ready, led by\s+tracing-operator-\S+/,
    );
    expect(text).toMatch(/deployment\/traced +1 +1 +[01] +default +Traced/);
    expect(text).not.toMatch(/plain|excluded/);
    expect(text.split('\n').filter((line) => line.length > 80 && !line.includes('→'))).toEqual([]);
    const seen = JSON.parse((await tracing([...args, '-o', 'json'])).replace(/exit code \d\n$/, '')) as {
      operator: { authorityUntil: string };
      workloads: { name: string; traced: number; state: string }[];
    };
    expect(Date.parse(seen.operator.authorityUntil)).toBeGreaterThan(Date.now());
    expect(seen.workloads).toContainEqual(expect.objectContaining({ name: 'late', traced: 1, state: 'Traced' }));
  }, 180_000);

  it('shows the coverage page as the user, with what the agents report', async () => {
    const ui = await tracingUi(join(CHECKOUT, 'dist/kubectl-tracing'), cluster.environment());
    try {
      const get = (path: string) => fetch(ui.origin + path, { headers: { authorization: ui.authorization } });
      const page = await fetch(`${ui.origin}/`);
      expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(await page.text()).toContain('<h1>Tracing coverage</h1>');
      expect((await fetch(`${ui.origin}/api/stream`)).status).toBe(401);
      const open = await new OpenPage((await get('/api/stream')).body!).complete();
      // Whoever looks is the administrator of the tests' cluster, by a certificate.
      expect(open.viewer).toMatchObject({ all: true });
      const traced = () => open.namespaces.get(namespace)?.workloads.find(({ name }) => name === 'traced');
      expect(traced()).toMatchObject({ kind: 'Deployment', traced: 1, reporting: 1, state: 'Traced', ratio: 0.5 });
      const query = `namespace=${namespace}&kind=Deployment&name=traced`;
      const details = (await (await get(`/api/workload?${query}`)).json()) as WorkloadDetails;
      expect(details.reports[0]).toMatch(/^as of \d+ s ago: 1 process in 1 pod, agent \S+, Node\.js v\d/);

      await kubectl(
        'patch',
        'tracingpolicy',
        'default',
        '--type=merge',
        '--patch={"spec":{"sampling":{"ratio":0.75}}}',
      );
      await until('the page does not follow', 30_000, () => Promise.resolve(traced()?.ratio === 0.75));
      await kubectl('patch', 'tracingpolicy', 'default', '--type=merge', '--patch={"spec":{"sampling":{"ratio":0.5}}}');
    } finally {
      await ui.end();
    }
  }, 120_000);

  it('switches tracing off in running pods of the namespace, says when they follow, and switches it on again', async () => {
    await becomes(['deployment/late'], /(\d+) injected, \1 reporting, \1 current/);
    const before = await tracing(['off', '-n', namespace, '--dry-run']);
    expect(before).toMatch(/would make[^]*priority: 1000[^]*which reaches (\d+) pods\nexit code 0\n$/);
    const reached = Number(/reaches (\d+)/.exec(before)![1]);
    expect(reached).toBeGreaterThan(1);
    const off = await tracing(['off', '-n', namespace]);
    expect(off).toMatch(new RegExp(`made TracingPolicy ${namespace}/switch-off: it reaches ${reached} pods`));
    expect(off).toMatch(new RegExp(`\n${reached} of ${reached} pods follow\nexit code 0\n$`));
    expect(await tracing(['off', '-n', namespace])).toMatch(/switch-off is there[^]*follow\nexit code 0\n$/);
    await becomes(['deployment/traced'], /Policy: +TracingPolicy \S+\/switch-off/);
    expect(await tracing(['status', '-n', namespace])).toMatch(/deployment\/traced .* switch-off +SwitchedOff/);
    // Somebody wants it so: that is no problem, and no spans are to be waited for.
    await becomes(
      ['deployment/traced'],
      /No problem found\.\n.* is switched off \(enabled: false\)\. To switch it on: kubectl tracing on -n \S+\nexit code 0\n$/,
    );
    expect(await tracing(['verify', 'deployment/traced', '-n', namespace])).toMatch(
      /\n {2}policy +BROKEN +TracingPolicy \S+\/switch-off is\s+switched off[^]*\nBroken at: policy\n {2}→ kubectl tracing on -n \S+\nexit code 1\n$/,
    );
    expect(await tracing(['on', '-n', namespace])).toMatch(
      /deleted TracingPolicy \S+\/switch-off[^]*pods follow\nexit code 0\n$/,
    );
    await becomes(['deployment/traced'], /Policy: +TracingPolicy \S+\/default/);
  }, 300_000);

  it('says of one that is scaled to 0 that somebody wants it so, and nothing of what its pods said before', async () => {
    await becomes(['deployment/late'], /^Reports: /m);
    await kubectl('scale', 'deployment/late', '--replicas=0');
    await kubectl('wait', 'pod', '--selector', 'app=late', '--for=delete', '--timeout=60s');
    const text = await explain('deployment/late');
    expect(text).toMatch(
      /^Pods: +none: it is scaled to 0$[^]*No problem found\.\nIt is scaled to 0, .*--replicas=1\nexit code 0\n$/m,
    );
    expect(text).not.toContain('Reports:');
    expect(await tracing(['verify', 'deployment/late', '-n', namespace])).toMatch(
      /\n {2}injected +BROKEN +it is scaled to 0[^]*\nBroken at: injected\n {2}→ kubectl -n \S+ scale deployment\/late --replicas=1\nexit code 1\n$/,
    );
    expect(await tracing(['status', '-n', namespace])).not.toContain('deployment/late');
    await kubectl('scale', 'deployment/late', '--replicas=1');
    await kubectl('rollout', 'status', 'deployment/late', '--timeout=120s');
  }, 240_000);

  it('plans: what a file would change in the pods that run, and why a policy would be in force for none', async () => {
    const file = join(directory, 'planned.yaml');
    writeFileSync(file, JSON.stringify({ ...policy, metadata: { name: 'second' } }));
    expect((await tracing(['plan', '-n', namespace, '-f', file])).replace(/\s+/g, ' ')).toMatch(
      /^TracingPolicy \S+\/second would be in force for no pod that runs: the \d pods that it matches, and that are traced or to be, are under TracingPolicy \S+\/default, as the older one \d pods with the agent would be told nothing new exit code 0 $/,
    );
    writeFileSync(file, JSON.stringify({ ...policy, spec: { ...policy.spec, sampling: { ratio: 0.25 } } }));
    const text = await tracing(['plan', '-n', namespace, '-f', file]);
    expect(text).toMatch(/live, within seconds: TracingPolicy \S+\/default\n(.*\n)*  \S+ deployment\/traced: 1 pod\n/);
    expect(text).toMatch(
      / sampling\.ratio: 0\.5 → 0\.25 .*\n\n0 pods with the agent would be told nothing new\n\nWhat exporters (would )?get [^]*exit code 0\n$/,
    );
  }, 60_000);

  it('has nothing to say, and no fault, where there are no pods', async () => {
    const empty = 'kube-public';
    expect(await tracing(['status', '-n', empty])).toMatch(/exit code 0\n$/);
    expect(await tracing(['off', '-n', `${namespace}-not-there`])).toMatch(
      /there is no namespace [^ ]+-not-there\. Which there are: kubectl get namespaces\nexit code 2\n$/,
    );
    for (const verb of ['off', 'on']) expect(await tracing([verb, '-n', empty])).not.toMatch(/TypeError|\n +at /);
  });

  it('lints what the cluster has', async () => {
    const stored = join(directory, 'stored.yaml');
    writeFileSync(stored, await kubectl('get', 'tracingpolicies', '--output', 'yaml'));
    expect(await tracing(['lint', '-f', stored])).toMatch(
      /^2 policies: 0 refused, 0 advised\nTracingPolicy other leaves exporters out: [^]*\nexit code 0\n$/,
    );
  }, 60_000);

  it('injects a file: the pod made from it is traced as any other', async () => {
    const pod = join(directory, 'offline.yaml');
    const policies = join(directory, 'policies.yaml');
    const made = nodePod(images.shop.ref, 'offline', { annotations: { 'tracing.acme/inject': 'true' } });
    writeFileSync(pod, `${JSON.stringify(made)}\n`);
    writeFileSync(policies, await kubectl('get', 'tracingpolicies', '--output', 'yaml'));
    const args = ['-n', namespace, '-f', pod, '--policy', policies, '--agent-image', images.agent.ref];
    const injected = (await tracing(['inject', ...args])).split('\n').find((line) => line.startsWith('{'))!;
    await apply(JSON.parse(injected));
    const text = await becomes(['pod/offline'], 'agent in app', /, the newest/, 'No problem found.\nexit code 0\n');
    expect(text).toContain('app: has the agent');
    await becomes(['pod/offline'], /4 matched, 4 injected, 4 reporting, 4 current/);
    expect(await tracing(['inject', '--check', ...args])).toMatch(/1 of 1 would change[^]*exit code 1\n$/);
  }, 240_000);

  it("is in the operator's image too, where it has the operator's rights", async () => {
    const inPod = [
      '--namespace',
      OPERATOR.namespace,
      'exec',
      `deployment/${OPERATOR.release}`,
      '--',
      'kubectl-tracing',
    ];
    const text = await cluster.run('sh', [
      '-c',
      'kubectl "$@" 2>&1; echo "exit code $?"',
      'sh',
      ...inPod,
      'status',
      '-A',
    ]);
    expect(text).toMatch(new RegExp(`${namespace} +(Deployment/)?traced`, 'i'));
    expect(text).toMatch(/exit code [01]\n$/);
  }, 60_000);
});
