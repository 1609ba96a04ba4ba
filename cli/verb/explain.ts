import { setTimeout as sleep } from 'node:timers/promises';
import { withCluster } from '../cluster.ts';
import { explain } from '../explain/explanation.ts';
import { gather } from '../explain/facts.ts';
import { parseWorkload, WORKLOAD } from '../explain/kinds.ts';
import { layOut } from '../explain/layout.ts';
import type { Format } from '../output.ts';
import { outputOption, render } from '../output.ts';
import type { End, ExitCode } from './verb.ts';
import { namespaceOption, verb } from './verb.ts';

/** In this time the operator looks at a change, milliseconds, where it is not busy. */
const ANOTHER_LOOK = 2_000;

interface ExplainFlags {
  namespace?: string;
  output: Format;
}

export const explainVerb = (end: End) =>
  verb({
    usage: 'explain',
    summary: 'whether a workload is traced, why or why not, and what to do',
    description: `Says of a workload whether it is traced: who asks for it, which policy is in force and why, what each container gets, how its pods are, what their agents report; and for each problem the command to type next.

WORKLOAD is KIND/NAME, where KIND is deployment, statefulset, daemonset, replicaset, cronjob, job, pod or Argo's rollout, or their short names. A name alone will do where one workload of the namespace has it. It only reads, with your own rights: the role view in the namespace is enough, and what you may not read is said.`,
    examples: [
      'kubectl tracing explain deployment/web',
      'kubectl tracing explain pod/web-6d4cf56db6-xk2bp -n shop',
      "kubectl tracing explain deployment/web -o json | jq '.problems'",
    ],
    codes: [
      'all is well; also where somebody wants it not to be traced (nobody asks, it is switched off, it is scaled to 0), and while a change is on its way',
      'there is a problem: somebody asks for it to be traced, and it is not, or not as they want it',
    ],
  })
    .argument('<workload...>', WORKLOAD)
    .addOption(namespaceOption())
    .addOption(outputOption())
    .action(async (words: string[], flags: ExplainFlags) => end(await explainWorkload(words, flags)));

async function explainWorkload(words: string[], options: ExplainFlags): Promise<ExitCode> {
  const named = parseWorkload(words);
  return withCluster(async (client) => {
    const look = async () => explain(await gather(client, named, options.namespace ?? client.namespace ?? 'default'));
    let looked = await look();
    if (looked.isEarly) {
      await sleep(ANOTHER_LOOK);
      looked = await look();
    }
    const { isEarly: _, ...explanation } = looked;
    process.stdout.write(render(options.output, explanation, (paint) => layOut(explanation, paint)));
    return explanation.problems.length > 0 ? 1 : 0;
  });
}
