import { INJECTED_LABEL } from '../../injector/names.ts';
import type { ObjectMeta } from '../../injector/pod.ts';
import type { Flow } from '../../operator/coverage/flow.ts';
import { flowText } from '../../operator/coverage/flow.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { withCluster } from '../cluster.ts';
import { given, read as readFile, shown } from '../file.ts';
import { InputError } from '../input-error.ts';
import { findInstallation } from '../installation.ts';
import { parseManifest } from '../manifest/manifest.ts';
import type { Format, Paint } from '../output.ts';
import { outputOption, render, wrap } from '../output.ts';
import type { Plan, PlanFacts, PlannedPod } from '../plan/plan.ts';
import { plan } from '../plan/plan.ts';
import { policiesOf } from '../policy-file.ts';
import { LIVE, METADATA_LIST, readAll, Reading, roleNeeded } from '../reading.ts';
import { readDigests } from '../status/facts.ts';
import { readPolicies } from '../stored-policies.ts';
import type { End, ExitCode } from './verb.ts';
import { namespaceOption, once, verb } from './verb.ts';

interface PlanFlags {
  filename?: string;
  namespace?: string;
  output: Format;
}

export const planVerb = (end: End) =>
  verb({
    usage: 'plan',
    summary: 'what a file of policies would change in the pods that run, before it is applied',
    description: `Says which running pods would be told something else if the policies of a file were applied: what of that they follow live, and for what they would have to be made anew. It only reads; resolution is the operator's own.

Looked at are the pods of the namespaces that the file's TracingPolicies are for, or of all where it has a ClusterTracingPolicy. From what the agents have counted it says how many spans and bytes a second each exporter would get. What a policy no longer says because it was taken out of the file is not known here: a file adds and changes, as kubectl apply does.`,
    examples: ['kubectl tracing plan -f policy.yaml', 'kubectl tracing plan -f policies.yaml -n shop -o json'],
    codes: ['the plan could be made, whatever it says'],
  })
    .addOption(once('-f, --filename <file>', 'YAML or JSON of one or many policies; - for standard input'))
    .addOption(
      namespaceOption("of TracingPolicies that do not say theirs; left out: that of your kubeconfig's context"),
    )
    .addOption(outputOption())
    .action(async (flags: PlanFlags) => end(await makePlan(flags)));

async function makePlan({ filename, namespace, output }: PlanFlags): Promise<ExitCode> {
  const file = given(filename, '-f', '-f policy.yaml');
  const documents = parseManifest(readFile(file), shown(file));
  return withCluster(async (client): Promise<ExitCode> => {
    const written = policiesOf(documents, namespace ?? client.namespace ?? 'default', shown(file));
    const { closed, ...facts } = await gatherPlan(client, written);
    const made = plan(facts);
    const data = { ...made, notReadable: closed };
    process.stdout.write(render(output, data, (paint, width) => text(made, closed, paint, width)));
    return 0;
  });
}

async function gatherPlan(
  client: KubeClient,
  written: PlanFacts['written'],
): Promise<PlanFacts & { closed: string[] }> {
  const reading = new Reading(client);
  const { read } = reading;
  const spaces = [...new Set(written.namespaced.map(({ metadata }) => metadata.namespace))];
  // A policy of the cluster may concern every namespace.
  const wanted = written.cluster.length > 0 ? [undefined] : spaces;
  const labels = 'labels of namespaces: they may ask for tracing, and select policies';
  const parts = await Promise.all(
    wanted.map(async (namespace) => {
      const core = namespace === undefined ? '/api/v1' : `/api/v1/namespaces/${namespace}`;
      const [policies, injected, others, namespaces, digests] = await Promise.all([
        readPolicies(read, namespace),
        readAll<PlannedPod>(read, `${core}/pods`, 'pods', {
          labelSelector: `${INJECTED_LABEL}=true`,
          fieldSelector: LIVE,
        }),
        readAll<PlannedPod>(
          read,
          `${core}/pods`,
          'pods',
          { labelSelector: `!${INJECTED_LABEL}`, fieldSelector: LIVE },
          METADATA_LIST,
        ),
        namespace === undefined
          ? readAll<{ metadata: ObjectMeta }>(read, '/api/v1/namespaces', labels, {}, METADATA_LIST)
          : reading.namespace(namespace, labels).then((found) => found && [found]),
        readDigests(read, namespace),
      ]);
      const where = namespace === undefined ? 'all namespaces' : `namespace ${namespace}`;
      if (!policies.namespaced)
        throw new InputError(
          reading.closed.some((text) => text.startsWith('TracingPolicies'))
            ? `you may not read the TracingPolicies of ${where}${viewOf(namespace)}`
            : 'the cluster has no TracingPolicies: the operator is not installed. Try: helm list -A',
        );
      if (!injected || !others) throw new InputError(`you may not list the pods of ${where}${viewOf(namespace)}`);
      return { policies, pods: [...injected, ...others], namespaces: namespaces ?? [], digests };
    }),
  );
  const found = await findInstallation(read);
  const installation = typeof found === 'object' ? found : undefined;
  const { defaults = {}, changeWorkloads } = installation ?? {};
  return {
    namespaced: parts.flatMap(({ policies }) => policies.namespaced ?? []),
    cluster: parts[0]?.policies.cluster ?? [],
    written,
    defaults,
    namespaceLabels: new Map(
      parts.flatMap(({ namespaces }) => namespaces.map(({ metadata }) => [metadata.name!, metadata.labels ?? {}])),
    ),
    pods: parts.flatMap(({ pods }) => pods),
    digests: new Map(parts.flatMap(({ digests }) => [...digests])),
    ...(installation && { installation }),
    ...(changeWorkloads !== undefined && { mayRestart: changeWorkloads }),
    now: new Date().toISOString(),
    closed: reading.closed,
  };
}

function viewOf(namespace: string | undefined): string {
  return namespace === undefined ? '' : `: ${roleNeeded('view', namespace)}`;
}

function text({ steps, unchanged, idle, load }: Plan, closed: string[], paint: Paint, width: number): string {
  const lines = steps.flatMap(({ when, from, to, workloads, changes, why, by }) => [
    `${when === 'Live' ? paint('green', 'live, within seconds') : paint('yellow', by === undefined ? 'after a restart' : `after a restart by ${by}`)}: ${from === to ? to : `${from} → ${to}`}`,
    ...workloads.map(
      ({ namespace, workload, pods }) => `  ${namespace} ${workload}: ${pods} ${pods === 1 ? 'pod' : 'pods'}`,
    ),
    ...(why === undefined ? [] : wrap(`as ${why}`, width, '  ')),
    ...changes.map((change) => `    ${change}`),
    '',
  ]);
  return `${[
    ...lines,
    ...idle.flatMap(({ policy, why }) => wrap(`${policy} would be in force for no pod that runs: ${why}`, width, '')),
    `${unchanged} ${unchanged === 1 ? 'pod' : 'pods'} with the agent would be told nothing new`,
    // Where nothing changes they would be what they are.
    ...(steps.length > 0 ? loadLines(load, paint, width) : []),
    ...(closed.length > 0 ? ['You may not read', ...closed.flatMap((each) => wrap(each, width, '  '))] : []),
  ].join('\n')}\n`;
}

function loadLines({ exporters, unknown }: Plan['load'], paint: Paint, width: number): string[] {
  if (exporters.length === 0) return [];
  const flowing = exporters.filter(({ now, then }) => now.spansPerSecond > 0 || then.spansPerSecond > 0);
  if (flowing.length === 0)
    return [
      '',
      ...wrap(
        `What exporters would get nobody can tell: ${unknown.length > 0 ? `nothing is sampled, or was counted in the last minutes, in ${unknown.join(', ')}` : 'the agents have sent nothing in the last minutes'}`,
        width,
        '',
      ),
    ];
  return [
    '',
    paint('bold', 'What exporters get, by what the agents have counted in the last minutes:'),
    ...flowing.flatMap(({ policy, exporter, endpoint, now, then }) => [
      `  ${policy}, ${exporter} ${endpoint}`,
      `    now ${flow(now)}; then ${flow(then)}`,
    ]),
    ...wrap(
      'The ratio is taken to be what decides; what callers and rules decide stays as it is. Bytes are before compression.',
      width,
      '  ',
    ),
    ...(unknown.length > 0
      ? wrap(`Not in these figures, as nothing is sampled or was counted there: ${unknown.join(', ')}`, width, '  ')
      : []),
  ];
}

function flow(given: Flow): string {
  return given.spansPerSecond > 0 ? `about ${flowText(given)}` : 'nothing';
}
