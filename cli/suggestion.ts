import { Command, CommanderError } from 'commander';

/**
 * ` Did you mean explain?`, with a blank before it; empty where no candidate is near. What is near is left to commander, which says so
 * of its own commands and options: here each candidate is a command that is not called.
 */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const asked = new Command().helpCommand(false).helpOption(false).exitOverride();
  asked.configureOutput({ outputError: () => undefined });
  for (const candidate of new Set(candidates)) asked.addCommand(new Command(candidate));
  try {
    asked.parse([word], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return suggestionIn(error.message);
    throw error;
  }
  return '';
}

/** What commander suggests in a message, which it writes in brackets on a line of its own. */
export function suggestionIn(message: string): string {
  const found = /\n\((Did you mean .*\?)\)/.exec(message)?.[1];
  return found === undefined ? '' : ` ${found}`;
}
