import { Argument } from 'commander';
import { SCRIPTS } from '../completion/scripts.ts';
import type { End } from './verb.ts';
import { verb } from './verb.ts';

export const completionVerb = (end: End) =>
  verb({
    usage: 'completion',
    summary: 'verbs, options and names by the Tab key',
    description: `Writes a script for a shell to standard output.

kubectl: with kubectl's own completion in your shell, this file makes it know the verbs, namespaces and workloads here too. It must be called kubectl_complete-tracing and be on your PATH. make build leaves it beside the plug-in.

bash, zsh, fish: for the plug-in called by its own name, kubectl-tracing.`,
    examples: [
      'install dist/kubectl-tracing dist/kubectl_complete-tracing /usr/local/bin/',
      'source <(kubectl tracing completion bash)',
      'kubectl tracing completion fish | source',
    ],
    codes: ['all is well'],
  })
    .addArgument(new Argument('<program>', 'who is to complete').choices(Object.keys(SCRIPTS)))
    .action((program: string) => {
      process.stdout.write(SCRIPTS[program]!);
      end(0);
    });
