import type { Command, Option } from 'commander';
import { KINDS } from '../explain/kinds.ts';

/** What completions ask the cluster for. Neither fails: what cannot be read has no names. */
export interface Names {
  namespaces(): Promise<string[]>;
  /** @param namespace undefined: that of the kubeconfig. */
  workloads(kind: string, namespace: string | undefined): Promise<string[]>;
}

/** As kubectl reads them, which has them from cobra: what the shell does besides. */
const DIRECTIVE = { files: 0, nothing: 4, noSpace: 6 } as const;

/**
 * What may come next: a line for each, with a tab before what it does, and then a line with the directive.
 * @param words after `kubectl tracing`; the last is what has been typed of the one that is asked for.
 */
export async function complete(root: Command, words: readonly string[], names: Names): Promise<string> {
  const [first = '', ...rest] = words;
  const answer = (candidates: [word: string, what: string][], then: keyof typeof DIRECTIVE = 'nothing') => {
    const typed = words.at(-1) ?? '';
    const lines = candidates
      .filter(([word]) => word.startsWith(typed))
      .map(([word, what]) => (what ? `${word}\t${what}` : word));
    return [...lines, `:${DIRECTIVE[then]}`, ''].join('\n');
  };
  const verbs = root.commands.map((each): [string, string] => [each.name(), each.summary()]);
  if (rest.length === 0) return answer([...verbs, ['help', 'options and examples of a verb']]);
  if (first === 'help') return answer(verbs);
  const verb = root.commands.find((each) => each.name() === first);
  if (!verb) return answer([]);

  const typed = rest.at(-1)!;
  const before = rest.slice(0, -1);
  // What follows is a command of somebody else's.
  if (before.includes('--')) return answer([], 'files');
  const open = optionOf(verb, before.at(-1));
  if (open && takesValue(open)) {
    if (open.argChoices) return answer(open.argChoices.map((each) => [each, '']));
    if (open.long === '--namespace') return answer((await names.namespaces()).map((each) => [each, '']));
    return answer([], /file|directory/.test(open.flags) ? 'files' : 'nothing');
  }
  if (typed.startsWith('-')) {
    const unused = verb.options.filter(
      (option) => option.variadic || !before.some((word) => word === option.short || word === option.long),
    );
    return answer(
      [...unused, ...[verb.createOption('-h, --help', 'this help')]].map((each) => [each.long!, each.description]),
    );
  }
  const [argument] = verb.registeredArguments;
  const given = before.filter((word, i) => !word.startsWith('-') && !isValue(verb, before[i - 1]));
  if (!argument || given.length > 0) return answer([]);
  if (argument.argChoices) return answer(argument.argChoices.map((each) => [each, '']));
  if (argument.name() !== 'workload') return answer([]);
  const [type, name] = typed.split('/');
  const kinds = KINDS.map(({ kind }) => kind.toLowerCase());
  if (name === undefined)
    return answer(
      kinds.map((each) => [`${each}/`, '']),
      'noSpace',
    );
  const at = before.findIndex((word) => word === '-n' || word === '--namespace');
  const found = await names.workloads(type!, at < 0 ? undefined : before[at + 1]);
  return answer(found.map((each) => [`${type}/${each}`, '']));
}

function optionOf(verb: Command, word: string | undefined): Option | undefined {
  return verb.options.find((option) => word !== undefined && (word === option.short || word === option.long));
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

function isValue(verb: Command, before: string | undefined): boolean {
  const option = optionOf(verb, before);
  return option !== undefined && takesValue(option);
}
