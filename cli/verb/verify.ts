import { withCluster } from '../cluster.ts';
import { gather } from '../explain/facts.ts';
import { parseWorkload, WORKLOAD } from '../explain/kinds.ts';
import { InputError } from '../input-error.ts';
import type { Format, Paint } from '../output.ts';
import { outputOption, render, wrap } from '../output.ts';
import { lengthOf } from '../override/entry.ts';
import type { Target } from '../override/target.ts';
import { targetOf } from '../override/target.ts';
import { parseRequest, sendRequest } from '../verify/request.ts';
import type { Watched } from '../verify/watch.ts';
import { watch } from '../verify/watch.ts';
import type { End, ExitCode } from './verb.ts';
import { namespaceOption, once, verb } from './verb.ts';

interface VerifyFlags {
  namespace?: string;
  for?: string;
  request?: string;
  output: Format;
}

const USUAL = '60s';

export const verifyVerb = (end: End) =>
  verb({
    usage: 'verify',
    summary: 'whether spans of a workload arrive, or where on their way they are lost',
    description: `Watches a workload until its spans arrive, or says which link of the chain is broken: operator (it runs), wanted (somebody asks for the workload to be traced), injected (its pods have the agent), policy (one applies, is on and has an exporter that can send), started (their processes report), instrumented, asked (a request came, or a job ran), sampled, exported, accepted (a receiver said that it took them). By the id of a trace that was taken you find it in your backend.

It sends nothing to the app unless told by --request, which takes the right to get pods/proxy. Such a request says that its trace is to be recorded, so that it is whatever the ratio: where most others are not, that is said. While it watches, the agents report every few seconds: by an entry in the annotation tracing.acme/override of the policy in force, which ends by itself. Without the right to change that policy it reads what is there, which may be some minutes old.

WORKLOAD is as for explain.`,
    examples: [
      'kubectl tracing verify deployment/order',
      'kubectl tracing verify deployment/order --request 8080/orders/1 -n shop',
      'kubectl tracing verify statefulset/stock --for 5m -o json',
    ],
    codes: [
      'found: spans arrive at every exporter, also where only what was sent by --request was recorded',
      'the chain is broken, or nothing came while it was watched',
    ],
  })
    .argument('<workload...>', WORKLOAD)
    .addOption(namespaceOption())
    .addOption(once('--for <time>', `how long to watch at most, from 10s to 10m; left out: ${USUAL}`))
    .addOption(once('--request <port/path>', 'send a GET to one of its pods, at that port and path'))
    .addOption(outputOption())
    .action(async (words: string[], flags: VerifyFlags) => end(await verify(words, flags)));

async function verify(words: string[], flags: VerifyFlags): Promise<ExitCode> {
  const named = parseWorkload(words);
  const length = lengthOf(flags.for ?? USUAL, '--for', ['10s', '10m']);
  const request = flags.request === undefined ? undefined : parseRequest(flags.request);
  const say = (line: string) => process.stderr.write(`${line}\n`);
  return withCluster(async (client) => {
    const facts = await gather(client, named, flags.namespace ?? client.namespace ?? 'default');
    let target: Target | undefined;
    try {
      target = targetOf(facts);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
    const pod = target?.pods.find(({ status }) => status?.phase === 'Running');
    const send =
      request && pod !== undefined
        ? async () => {
            const status = await sendRequest(client, facts.namespace, pod, request);
            say(`sent GET /${request.path} to pod ${pod.metadata.name}: it answered ${status}`);
          }
        : undefined;
    const watched = await watch(client, facts, target, { length, send, say });
    const title = `${facts.kind.kind} ${facts.namespace}/${facts.workload.metadata.name}`;
    const { took, isClose, verdict } = watched;
    const data = { workload: title, ...verdict, watchedSeconds: Math.round(took / 1000), isClose };
    process.stdout.write(render(flags.output, data, (paint, width) => text(title, watched, paint, width)));
    return verdict.found ? 0 : 1;
  });
}

function text(title: string, { verdict, took, isClose, isPlain }: Watched, paint: Paint, width: number): string {
  const { found, steps, broken, remark, next } = verdict;
  const how = isClose
    ? `watched for ${Math.round(took / 1000)} s`
    : isPlain
      ? 'not watched: there is no need'
      : 'by what its agents have said before';
  const lines = steps.flatMap(({ link, state, text }) => {
    const word = { ok: paint('green', 'ok     '), broken: paint('red', 'BROKEN '), unknown: '-      ' }[state];
    const [first = '', ...rest] = wrap(text, width, ' '.repeat(24));
    return [`  ${link.padEnd(13)} ${word} ${first.trimStart()}`.trimEnd(), ...rest];
  });
  const then = next === undefined ? [] : [`  → ${next}`];
  const end = found
    ? [
        paint('green', 'Found: its spans arrive.'),
        ...(remark === undefined ? [] : [paint('yellow', 'But:'), ...wrap(remark, width, '  '), ...then]),
      ]
    : [paint('red', `Broken at: ${broken}`), ...then];
  return `${[`${title}, ${how}`, ...lines, '', ...end].join('\n')}\n`;
}
