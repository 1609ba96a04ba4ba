import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { INJECT } from '../injector/names.ts';
import { KubeClient } from '../operator/kube/client.ts';
import { CHART } from './chart.ts';
import { explain } from './explain/explanation.ts';
import { gather } from './explain/facts.ts';
import { parseWorkload } from './explain/kinds.ts';
import { injectManifest } from './inject.ts';
import { InputError } from './input-error.ts';
import { parseManifest } from './manifest/manifest.ts';
import { migrateManifest } from './migrate/migrate.ts';
import { policiesOf } from './policy-file.ts';

const EXIT_CODES = `Exit codes:
  0   all is well
  1   there is a problem; with inject --check: something would change or is left alone; migrate: a field is not converted,
      and somebody has to see to it (what has been is written all the same)
  2   wrong usage or bad input
`;

const HELP = `Traces Node.js services of a Kubernetes cluster without a code change.

Usage:
  kubectl tracing explain WORKLOAD   whether a workload is traced, why or why not, and what to do
  kubectl tracing inject -f FILE     what the webhook would do, offline
  kubectl tracing migrate -f FILE    opentelemetry-operator's Instrumentation and annotations become ours
  kubectl tracing VERB --help        options and examples of a verb

${EXIT_CODES}`;

const INJECT_HELP = `Adds the agent to the pods and pod templates of a file, as the webhook would, without a cluster.

Usage:
  kubectl tracing inject -f FILE [--policy FILE] [-n NAMESPACE] [--agent-image IMAGE] [--check]

The result is written to standard output; what is not changed keeps every byte, comments included. Standard error has one
line for each object: what was decided, and why. Only what asks for the agent gets it: by the annotation
tracing.acme/inject: "true", by a Namespace in the file with that label, or by a policy with injection: All.

Options:
  -f, --filename FILE    YAML or JSON of one or many documents; - for standard input
  --policy FILE          TracingPolicies and ClusterTracingPolicies to go by, besides those in the file itself.
                         Without any: the chart's default
  -n, --namespace NAME   of objects that do not say theirs. Left out: default
  --agent-image IMAGE    the agent. Left out: ${CHART.agentImage}
  --check                write nothing; exit code 1 if anything would change, or asks for the agent and is left alone

Examples:
  kubectl tracing inject -f web.yaml --policy policy.yaml | kubectl apply -f -
  helm template shop ./shop | kubectl tracing inject -f - > injected.yaml
  kubectl tracing inject -f web.yaml --check

${EXIT_CODES}`;

const EXPLAIN_HELP = `Says of a workload whether it is traced: who asks for it, which policy is in force and why, what each container gets,
how its pods are, what their agents report; and for each problem the command to type next.

Usage:
  kubectl tracing explain KIND/NAME [-n NAMESPACE]

KIND is deployment, statefulset, daemonset, replicaset, cronjob, job, pod or Argo's rollout, or their short names. It only reads, with your own
rights: the role view in the namespace is enough, and what you may not read is said.

Options:
  -n, --namespace NAME   Left out: that of your kubeconfig's context

Examples:
  kubectl tracing explain deployment/web
  kubectl tracing explain pod/web-6d4cf56db6-xk2bp -n shop

${EXIT_CODES}`;

const MIGRATE_HELP = `Turns a file for opentelemetry-operator into one for this operator: Instrumentations become TracingPolicies, and annotations
for Node.js become ours. Everything else in the file keeps every byte.

Usage:
  kubectl tracing migrate -f FILE

The result is written to standard output; standard error has a line for each field: what it has become, or why it has not and
what to do instead. Pods with both annotations are left alone by us: apply the result only where you want to take over.

Options:
  -f, --filename FILE    YAML or JSON; - for standard input

Examples:
  kubectl tracing migrate -f instrumentation.yaml | kubectl apply -f -
  kubectl -n shop get instrumentation,deployment -o yaml | kubectl tracing migrate -f - > migrated.yaml

${EXIT_CODES}`;

interface Verb {
  help: string;
  run(args: string[]): Promise<number> | number;
}

const VERBS: Record<string, Verb> = {
  explain: { help: EXPLAIN_HELP, run: explainWorkload },
  inject: { help: INJECT_HELP, run: inject },
  migrate: { help: MIGRATE_HELP, run: migrate },
};

const HELP_OPTION = { help: { type: 'boolean', short: 'h' } } as const;

function inject(args: string[]): number {
  const { values } = parse(() =>
    parseArgs({
      args,
      options: {
        ...HELP_OPTION,
        filename: { type: 'string', short: 'f', multiple: true },
        policy: { type: 'string', multiple: true },
        namespace: { type: 'string', short: 'n', default: 'default' },
        'agent-image': { type: 'string', default: CHART.agentImage },
        check: { type: 'boolean', default: false },
      },
    }),
  );
  const { namespace, check } = values;
  const file = one(values.filename, '-f', '-f web.yaml');
  const policyFile = values.policy && one(values.policy, '--policy', '--policy policy.yaml');
  if (file === '-' && policyFile === '-') throw new InputError('-f and --policy cannot both be standard input');
  const policies = policyFile
    ? policiesOf(parseManifest(read(policyFile), shown(policyFile)), namespace, true)
    : { namespaced: [], cluster: [] };
  const { text, verdicts } = injectManifest(read(file), shown(file), {
    namespace,
    policies,
    defaults: CHART.defaultPolicy,
    options: { agentImage: values['agent-image'], agentImagePullPolicy: CHART.agentImagePullPolicy },
  });
  for (const { subject, what } of verdicts) process.stderr.write(`${subject}: ${what}\n`);
  if (!verdicts.some(({ asked }) => asked))
    process.stderr.write(`nothing in it asks for tracing, as would metadata: {annotations: {${INJECT}: "true"}}\n`);
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

function migrate(args: string[]): number {
  const { values } = parse(() =>
    parseArgs({ args, options: { ...HELP_OPTION, filename: { type: 'string', short: 'f', multiple: true } } }),
  );
  const file = one(values.filename, '-f', '-f instrumentation.yaml');
  const { text, lines, left } = migrateManifest(read(file), shown(file));
  for (const line of lines) process.stderr.write(`${line}\n`);
  if (left > 0)
    process.stderr.write(`${left} ${left === 1 ? 'field is' : 'fields are'} not converted: see to them by hand\n`);
  process.stdout.write(text);
  return left > 0 ? 1 : 0;
}

function connect(): KubeClient {
  try {
    return KubeClient.fromDefault();
  } catch (error) {
    throw new InputError(`no kubeconfig that can be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function explainWorkload(args: string[]): Promise<number> {
  const { values, positionals } = parse(() =>
    parseArgs({ args, allowPositionals: true, options: { ...HELP_OPTION, namespace: { type: 'string', short: 'n' } } }),
  );
  const { kind, name } = parseWorkload(positionals);
  const client = connect();
  try {
    const facts = await gather(client, kind, name, values.namespace ?? client.namespace ?? 'default');
    const { text, problems } = explain(facts);
    process.stdout.write(text);
    return problems.length > 0 ? 1 : 0;
  } catch (error) {
    if (error instanceof InputError || error instanceof TypeError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new InputError(
      `the cluster cannot be asked: ${message}\nIs your kubeconfig right? Try: kubectl get namespaces`,
    );
  } finally {
    client.close();
  }
}

/** @throws InputError for what node:util says of the arguments. */
function parse<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new InputError(
      `${message.replace(/\\.$/, '')}. Options and examples: kubectl tracing ${process.argv[2]} --help`,
    );
  }
}

function one(given: string[] | undefined, option: string, example: string): string {
  const [value, ...more] = given ?? [];
  if (value === undefined || value === '') throw new InputError(`${option} is missing, e.g. ${example}`);
  if (more.length > 0)
    throw new InputError(`${option} is given ${more.length + 1} times: one file is taken, e.g. cat *.yaml | … -f -`);
  return value;
}

function shown(file: string): string {
  return file === '-' ? 'standard input' : file;
}

function read(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a directory' : message;
    throw new InputError(`${shown(file)}: ${why}. A file is expected, or - for standard input`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InputError(`${shown(file)}: it is not text in UTF-8`);
  }
}

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const verb = name === 'help' ? VERBS[args[0] ?? ''] : undefined;
    process.stdout.write(verb?.help ?? HELP);
    return name === undefined ? 2 : 0;
  }
  const verb = VERBS[name];
  if (!verb) throw new InputError(`there is no verb ${name}. Verbs: ${Object.keys(VERBS).join(', ')}`);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(verb.help);
    return 0;
  }
  return verb.run(args);
}

// `kubectl tracing … | head` is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const expected = error instanceof InputError;
    const message =
      expected || !(error instanceof Error) ? String((error as Error).message) : (error.stack ?? error.message);
    process.stderr.write(`kubectl tracing: ${message}\n`);
    process.exitCode = expected ? 2 : 1;
  },
);
