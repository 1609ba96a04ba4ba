import { Command, Option } from 'commander';
import { InputError } from '../input-error.ts';

/** How a verb ends, in the order of its exit code: 0 all is well, 1 there is a problem. Bad input is an InputError: 2. */
export type ExitCode = 0 | 1;

export interface VerbText {
  /** `explain <workload>`, as commander has it. */
  usage: string;
  /** One line, for the list of verbs. */
  summary: string;
  /** Paragraphs; commander breaks their lines. */
  description: string;
  /** Whole commands, each with what it does where that is not plain. */
  examples: string[];
  /** What the exit codes 0 and 1 mean here; left out where there is no 1. Or that they are those of a command. */
  codes: [well: string, problem?: string] | { ofCommand: string };
}

/** Takes how a verb has ended: an ExitCode, or that of a command that it ran. */
export type End = (code: number) => void;

/** A verb, and how it is called, for whoever called it wrongly. */
export class Verb extends Command {
  readonly example: string;

  constructor(name: string, example: string) {
    super(name);
    this.example = example;
  }
}

/** A verb without its options, with a help that says all there is to know. */
export function verb({ usage, summary, description, examples, codes }: VerbText): Verb {
  const ends = [...(Array.isArray(codes) ? ownEnds(codes) : [codes.ofCommand]), '2   wrong usage or bad input'];
  return new Verb(usage, examples.find((each) => each.includes(`tracing ${usage}`)) ?? examples[0]!)
    .summary(summary)
    .description(description)
    .addHelpText(
      'after',
      `\nExamples:\n${examples.map((each) => `  ${each}`).join('\n')}\n\nExit codes:\n${ends.map((each) => `  ${each}`).join('\n')}`,
    );
}

function ownEnds([well, problem]: [well: string, problem?: string]): string[] {
  return [`0   ${well}`, ...(problem === undefined ? [] : [`1   ${problem}`])];
}

/** An option that is given once at most, as `-f FILE`: of two the first would be passed over in silence. */
export function once(flags: string, description: string): Option {
  let given = false;
  const option = new Option(flags, description);
  return option.argParser((value: string) => {
    if (given)
      throw new InputError(
        `${option.short ?? option.long} is given twice: one is taken${/file/.test(flags) ? ', e.g. cat *.yaml | … -f -' : ''}`,
      );
    given = true;
    return value;
  });
}

export function namespaceOption(description = "left out: that of your kubeconfig's context"): Option {
  return new Option('-n, --namespace <name>', description);
}

export function allOption(): Option {
  return new Option('-A, --all-namespaces', 'all namespaces').conflicts('namespace');
}

/** The namespace that is meant; undefined: all of them. @param own that of the kubeconfig. */
export function scopeOf(
  { namespace, allNamespaces }: { namespace?: string; allNamespaces?: true },
  own: string | undefined,
): string | undefined {
  return allNamespaces ? undefined : (namespace ?? own ?? 'default');
}
