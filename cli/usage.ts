import type { Argument, CommanderError, Option } from 'commander';
import { suggestionIn } from './suggestion.ts';
import type { Verb } from './verb/verb.ts';

/** What is wrong with how a verb was called, on one line: commander's messages, those that name its own terms in our words. */
export function usageProblem({ code, message }: CommanderError, verb: Verb | undefined): string {
  const own = verb && inWords(code, message, verb);
  const [first = ''] = message.replace(/^error: /, '').split('\n');
  const end = verb ? `${verb.name()} ` : '';
  return `${own ?? `${first.replace(/\.$/, '')}.${suggestionIn(message)}`} Options and examples: kubectl tracing ${end}--help`;
}

function inWords(code: string, message: string, verb: Verb): string | undefined {
  const example = `e.g. ${verb.example}.`;
  if (code === 'commander.missingArgument') {
    const argument = verb.registeredArguments.find((each) => message.endsWith(`'${each.name()}'`));
    return argument && `${nameOf(argument)} is missing: ${expected(argument)}, ${example}`;
  }
  if (code === 'commander.optionMissingArgument') {
    const option = verb.options.find(({ flags }) => message.includes(`'${flags}'`));
    return option && `${named(option)} is given without its ${valueOf(option)}, ${example}`;
  }
  if (code !== 'commander.invalidArgument') return undefined;
  const argument = verb.registeredArguments.find((each) => message.includes(` for argument '${each.name()}'`));
  if (argument)
    return wrongWord(nameOf(argument), / value '(.*)' is invalid for /, message, argument.argChoices, example);
  const option = verb.options.find(({ flags }) => message.includes(`'${flags}'`));
  return option && wrongWord(named(option), / argument '(.*)' is invalid\./, message, option.argChoices, example);
}

function wrongWord(
  what: string,
  pattern: RegExp,
  message: string,
  choices: readonly string[] | undefined,
  example: string,
): string | undefined {
  const given = pattern.exec(message)?.[1];
  if (given === undefined || !choices) return undefined;
  return `${what} has to be one of ${choices.join(', ')}, not ${given}. ${example.replace(/^e/, 'E')}`;
}

function expected({ argChoices, description }: Argument): string {
  return argChoices ? `one of ${argChoices.join(', ')}` : description;
}

function nameOf(argument: Argument): string {
  return argument.name().toUpperCase();
}

function named({ short, long, flags }: Option): string {
  return long ?? short ?? flags;
}

/** `FILE` of `-f, --filename <file>`. */
function valueOf({ flags }: Option): string {
  return (/<(.*)>/.exec(flags)?.[1] ?? 'value').toUpperCase();
}
