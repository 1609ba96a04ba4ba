import { setTimeout as sleep } from 'node:timers/promises';
import { withCluster } from '../cluster.ts';
import { InputError } from '../input-error.ts';
import type { Format } from '../output.ts';
import { outputOption, render } from '../output.ts';
import { roleNeeded } from '../reading.ts';
import { gatherStatus } from '../status/facts.ts';
import { countTroubles, overview } from '../../operator/coverage/overview.ts';
import { statusTable } from '../status/table.ts';
import type { End, ExitCode } from './verb.ts';
import { allOption, namespaceOption, scopeOf, verb } from './verb.ts';

interface StatusFlags {
  namespace?: string;
  allNamespaces?: true;
  watch?: true;
  output: Format;
}

/** Milliseconds between two looks. */
const PAUSE = 5_000;

export const statusVerb = (end: End) =>
  verb({
    usage: 'status',
    summary: 'what is traced in a namespace or the cluster, and what is wrong, trouble first',
    description: `Says how the operator is, which workloads are traced under which policy, how many of their pods have the agent and report, how the policies are, and of all that is wrong why. Workloads that have nothing to do with tracing are left out.

It only reads, with your own rights: the role view in a namespace is enough for that namespace, and what you may not read is said. REPORTING is up to some minutes old.`,
    examples: [
      'kubectl tracing status',
      'kubectl tracing status -A --watch',
      "kubectl tracing status -A -o json | jq '.workloads[] | select(.troubles != [])'",
    ],
    codes: [
      'all is well, as far as you may see; also where tracing is switched off, and while a change is on its way',
      'something is in trouble: also a workload that asks for tracing and has no policy',
    ],
  })
    .addOption(namespaceOption())
    .addOption(allOption())
    .option('-w, --watch', 'again every five seconds, until it is interrupted')
    .addOption(outputOption())
    .action(async (flags: StatusFlags) => end(await showStatus(flags)));

async function showStatus(flags: StatusFlags): Promise<ExitCode> {
  return withCluster(async (client) => {
    const namespace = scopeOf(flags, client.namespace);
    for (;;) {
      const facts = await gatherStatus(client, namespace);
      if (facts.pods === undefined)
        throw new InputError(
          namespace === undefined
            ? 'you may not list the pods of all namespaces. Of one: kubectl tracing status -n NAME'
            : `you may not list the pods of namespace ${namespace}: ${roleNeeded('view', namespace)}`,
        );
      const seen = overview(facts);
      const text = render(flags.output, seen, (paint, width) =>
        statusTable(seen, namespace === undefined, paint, width),
      );
      if (!flags.watch) {
        process.stdout.write(text);
        return countTroubles(seen) > 0 ? 1 : 0;
      }
      // Clears a terminal; a file or pipe gets one after the other.
      const before = process.stdout.isTTY ? '\u001b[H\u001b[2J' : '';
      process.stdout.write(`${before}${flags.output === 'table' ? `${new Date().toISOString()}\n` : ''}${text}`);
      await sleep(PAUSE);
    }
  });
}
