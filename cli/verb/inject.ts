import { INJECT } from '../../injector/names.ts';
import { CHART } from '../chart.ts';
import { given, read, shown } from '../file.ts';
import { injectManifest } from '../inject.ts';
import { InputError } from '../input-error.ts';
import { parseManifest } from '../manifest/manifest.ts';
import { policiesOf } from '../policy-file.ts';
import type { End, ExitCode } from './verb.ts';
import { namespaceOption, once, verb } from './verb.ts';

interface InjectFlags {
  filename?: string;
  policy?: string;
  namespace: string;
  agentImage?: string;
  check?: true;
}

export const injectVerb = (end: End) =>
  verb({
    usage: 'inject',
    summary: 'what the webhook would do to a file, without a cluster',
    description: `Adds the agent to the pods and pod templates of a file, as the webhook would, without a cluster.

The result is written to standard output; what is not changed keeps every byte, comments included. Standard error has one line for each object: what was decided, and why. Only what asks for the agent gets it: by the annotation tracing.acme/inject: "true", by a Namespace in the file with that label, or by a policy with injection: All.`,
    examples: [
      'kubectl tracing inject -f web.yaml --policy policy.yaml | kubectl apply -f -',
      'helm template shop ./shop | kubectl tracing inject -f - > injected.yaml',
      'kubectl tracing inject -f web.yaml --check',
    ],
    codes: ['all is well', 'with --check: something would change, or asks and is left alone'],
  })
    .addOption(once('-f, --filename <file>', 'YAML or JSON of one or many documents; - for standard input'))
    .addOption(
      once(
        '--policy <file>',
        "TracingPolicies and ClusterTracingPolicies to go by, besides those in the file itself. Without any: the chart's default",
      ),
    )
    .addOption(namespaceOption('of objects that do not say theirs').default('default'))
    .option('--agent-image <image>', `the agent (left out: ${CHART.agentImage})`)
    .option('--check', 'write nothing; say by the exit code whether anything would change')
    .action((flags: InjectFlags) => end(injectFile(flags)));

function injectFile({ filename, policy, namespace, agentImage, check }: InjectFlags): ExitCode {
  const file = given(filename, '-f', '-f web.yaml');
  if (file === '-' && policy === '-') throw new InputError('-f and --policy cannot both be standard input');
  const policies =
    policy !== undefined
      ? policiesOf(parseManifest(read(policy), shown(policy)), namespace, shown(policy))
      : { namespaced: [], cluster: [] };
  const { text, verdicts } = injectManifest(read(file), shown(file), {
    namespace,
    policies,
    defaults: CHART.defaultPolicy,
    options: { agentImage: agentImage ?? CHART.agentImage, agentImagePullPolicy: CHART.agentImagePullPolicy },
  });
  for (const { subject, what } of verdicts) process.stderr.write(`${subject}: ${what}\n`);
  if (!verdicts.some(({ asked }) => asked))
    process.stderr.write(`nothing in it asks for tracing, as would metadata: {annotations: {${INJECT}: "true"}}\n`);
  if (!check && agentImage === undefined && verdicts.some(({ image }) => image === CHART.agentImage))
    process.stderr.write(
      `the agent is ${CHART.agentImage}: unless your nodes have that image, say which one they can pull, e.g. --agent-image registry.example.com/agent:0.1.0\n`,
    );
  if (!check) {
    process.stdout.write(text);
    return 0;
  }
  const wrong = verdicts.filter(({ changed, refused }) => changed || refused).length;
  process.stderr.write(
    wrong === 0 ? 'nothing would change\n' : `${wrong} of ${verdicts.length} would change or are left alone\n`,
  );
  return wrong === 0 ? 0 : 1;
}
