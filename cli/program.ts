import { Command } from 'commander';
import { VERSION } from './chart.ts';
import { InputError } from './input-error.ts';
import { completionVerb } from './verb/completion.ts';
import { explainVerb } from './verb/explain.ts';
import { gatewayVerb } from './verb/gateway.ts';
import { injectVerb } from './verb/inject.ts';
import { lintVerb } from './verb/lint.ts';
import { migrateVerb } from './verb/migrate.ts';
import { statusVerb } from './verb/status.ts';
import { planVerb } from './verb/plan.ts';
import { runVerb } from './verb/run.ts';
import { samplingVerb } from './verb/sampling.ts';
import { offVerb, onVerb } from './verb/switch.ts';
import { uiVerb } from './verb/ui.ts';
import { verifyVerb } from './verb/verify.ts';
import { didYouMean } from './suggestion.ts';
import type { End } from './verb/verb.ts';

const VERBS = [
  statusVerb,
  explainVerb,
  uiVerb,
  verifyVerb,
  lintVerb,
  planVerb,
  injectVerb,
  runVerb,
  samplingVerb,
  gatewayVerb,
  migrateVerb,
  offVerb,
  onVerb,
  completionVerb,
];

/** All verbs. What is wrong with the arguments is an InputError, and help is written to standard output. */
export function program(end: End): Command {
  const root = new Command('kubectl tracing')
    .description('Traces Node.js services of a Kubernetes cluster without a code change.')
    .usage('VERB [options]')
    .version(`kubectl-tracing ${VERSION}`, '--version', "the plug-in's version; the operator's is said by status")
    // `run node --version` is of node.
    .enablePositionalOptions()
    .helpCommand('help [verb]', 'options and examples of a verb')
    .addHelpText(
      'after',
      `
Examples:
  kubectl tracing status
  kubectl tracing explain deployment/web -n shop
  kubectl tracing help explain

Exit codes:
  0   all is well
  1   there is a problem; the help of a verb says which
  2   wrong usage or bad input; standard error says where, what is allowed, and
      an example`,
    );
  for (const verb of VERBS) root.addCommand(verb(end));
  for (const command of [root, ...root.commands]) {
    command
      .helpOption('-h, --help', 'this help')
      .exitOverride()
      .configureHelp({ sortOptions: false, subcommandTerm: (verb) => verb.name() })
      .configureOutput({ outputError: () => {} });
  }
  return root;
}

/** Where `kubectl tracing` is called without a verb, or with one that there is not. @throws InputError */
export function checkVerb(root: Command, name: string): void {
  const names = root.commands.map((each) => each.name());
  if (!name.startsWith('-') && name !== 'help' && !names.includes(name))
    throw new InputError(`there is no verb ${name}.${didYouMean(name, names)} Verbs: ${names.join(', ')}`);
}
