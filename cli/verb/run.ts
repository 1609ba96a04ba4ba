import { resolve } from 'node:path';
import { Option } from 'commander';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { read } from '../file.ts';
import { InputError } from '../input-error.ts';
import { mayColor } from '../output.ts';
import { agentDirectory } from '../run/agent.ts';
import { endBy, runCommand } from '../run/command.ts';
import type { Ended } from '../run/command.ts';
import { serviceName, tracedEnvironment } from '../run/environment.ts';
import { followPolicy } from '../run/follow.ts';
import type { Destination } from '../run/local-policy.ts';
import { defaultLocalDocument, describeDocument, localDocument } from '../run/local-policy.ts';
import { PolicyDirectory } from '../run/policy-directory.ts';
import { finishedTraces } from '../trace/finished.ts';
import type { OtlpReadSpan } from '../trace/otlp.ts';
import { Receiver } from '../trace/receiver.ts';
import { waterfall } from '../trace/waterfall.ts';
import type { End } from './verb.ts';
import { namespaceOption, once, verb } from './verb.ts';

interface RunFlags {
  policy?: string;
  namespace?: string;
  agent?: string;
  output: 'waterfall' | 'json';
}

/** Sooner than in a cluster: somebody is looking. */
const BATCH_DELAY = 200;
/** Longer than a batch waits: then nothing more of a trace is on its way. */
const QUIET = 500;
/** Columns where there is no terminal. */
const WIDTH = 120;

export const runVerb = (end: End) =>
  verb({
    usage: 'run',
    summary: 'a command of this machine, traced without a cluster, and its traces in the terminal',
    description: `Runs a command with the agent in its Node.js processes, as in a pod, and shows each trace when it is finished. Spans go nowhere but here.

A policy file is followed while the command runs: change it, and the processes do as it says within a second. Where it is wrong, the policy before stays in force. A policy's exporters are replaced; without any policy all is traced but health checks.

The command has its own standard input and output, and the signals that come from outside. Traces are written to standard error.`,
    examples: [
      'kubectl tracing run -- node app.js',
      'kubectl tracing run --policy policy.yaml -- npm start',
      "kubectl tracing run -o json -- node app.js 2>&1 | grep '^{' | jq .spans[].name",
    ],
    codes: { ofCommand: 'that of the command; 126 or 127 where it cannot be started' },
  })
    .argument('<command...>', 'a program and what it is given, after --')
    .addOption(once('--policy <file>', 'TracingPolicies and ClusterTracingPolicies, as they would be applied'))
    .addOption(namespaceOption("the pod's; left out: that of the TracingPolicies in the file"))
    .addOption(once('--agent <directory>', 'left out: agent beside kubectl-tracing, as make build leaves it'))
    .addOption(
      new Option('-o, --output <format>', 'json is a line for each trace')
        .choices(['waterfall', 'json'])
        .default('waterfall'),
    )
    .action(async (command: string[], flags: RunFlags) => end(await run(command, flags)));

async function run(command: string[], flags: RunFlags): Promise<number> {
  if (flags.policy === '-')
    throw new InputError("--policy cannot be standard input, which is the command's, e.g. --policy policy.yaml");
  const agent = agentDirectory(flags.agent, process.argv[1]!);
  // Nobody reads traces any more: the command goes on.
  process.stderr.on('error', () => undefined);
  const receiver = await Receiver.start();
  const ending = new AbortController();
  let directory: PolicyDirectory | undefined;
  let ended: Ended;
  try {
    const readPolicy = () => policyDocument(flags, { protocol: 'http/json', endpoint: receiver.url });
    const document = readPolicy();
    const mounted = (directory = new PolicyDirectory(document));
    if (flags.policy !== undefined)
      followPolicy(
        {
          file: resolve(flags.policy),
          shown: flags.policy,
          read: readPolicy,
          take: (changed) => mounted.follow(changed),
          say,
          signal: ending.signal,
        },
        document,
      );
    const service = serviceName(command, process.cwd());
    const showing = show(receiver, flags.output, ending.signal);
    ended = await runCommand(
      command,
      tracedEnvironment(process.env, { agent, policyDirectory: mounted.path, service }),
      () => say(`${command.join(' ')} follows ${describeDocument(document)}`),
    );
    ending.abort();
    const traces = await showing;
    if (!('problem' in ended)) say(summary(traces, mounted.wasRead));
  } finally {
    ending.abort();
    directory?.remove();
    await receiver.stop();
  }
  if ('signal' in ended) return endBy(ended.signal);
  if ('problem' in ended) say(`${ended.problem}. A command is expected after --, e.g. -- node app.js`);
  return ended.code;
}

function policyDocument({ policy, namespace }: RunFlags, destination: Destination): PolicyDocument {
  const document =
    policy === undefined
      ? defaultLocalDocument(destination)
      : localDocument(read(policy), policy, destination, namespace);
  return { ...document, spec: { ...document.spec, batch: { ...document.spec.batch, delayMillis: BATCH_DELAY } } };
}

/** Writes traces as they are finished, until the end, and says how many there were. */
async function show(receiver: Receiver, output: RunFlags['output'], signal: AbortSignal): Promise<number> {
  let traces = 0;
  for await (const spans of finishedTraces(receiver, QUIET, signal)) {
    traces++;
    process.stderr.write(output === 'json' ? asLine(spans) : asPicture(spans));
  }
  return traces;
}

function summary(traces: number, isAgentSeen: boolean | undefined): string {
  if (traces > 0) return `${traces} ${traces === 1 ? 'trace' : 'traces'}`;
  return isAgentSeen === false
    ? 'no trace came: there was no Node.js process with the agent, e.g. -- node app.js; package managers and build tools go without'
    : 'no trace came';
}

function asLine(spans: readonly OtlpReadSpan[]): string {
  return `${JSON.stringify({ traceId: spans[0]!.traceId, spans })}\n`;
}

function asPicture(spans: readonly OtlpReadSpan[]): string {
  const width = process.stderr.isTTY ? process.stderr.columns : WIDTH;
  return `\n${waterfall(spans, { width, color: mayColor(process.stderr, process.env) })}`;
}

/** Standard output is the command's. */
function say(text: string): void {
  process.stderr.write(`kubectl tracing: ${text}\n`);
}
