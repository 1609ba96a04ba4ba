import { Command, CommanderError } from 'commander';

/** What people call things by another name than we do, in small letters. */
const ALSO_CALLED: Record<string, string> = {
  w3c: 'tracecontext',
  traceparent: 'tracecontext',
  postgres: 'pg',
  postgresql: 'pg',
  fetch: 'undici',
  mssql: 'tedious',
  rabbitmq: 'amqplib',
};
/** So long a beginning of a word has to be, and of so few words, for these to be meant. */
const BEGINNING = 3;
const FEW = 3;

/**
 * ` Did you mean explain?`, with a blank before it; empty where no candidate is near. What is near is left to commander, which says so
 * of its own commands and options: here each candidate is a command that is not called.
 */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const small = word.toLowerCase();
  const same = candidates.find((each) => each.toLowerCase() === small || each === ALSO_CALLED[small]);
  if (same !== undefined) return ` Did you mean ${same}?`;
  const near = nearest(word, candidates);
  if (near !== '' || small.length < BEGINNING) return near;
  const longer = candidates.filter((each) => each.toLowerCase().startsWith(small));
  return longer.length > 0 && longer.length <= FEW ? ` Did you mean ${longer.join(' or ')}?` : '';
}

function nearest(word: string, candidates: readonly string[]): string {
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
