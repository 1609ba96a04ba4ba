import { CommanderError } from 'commander';
import { complete } from './completion/complete.ts';
import { names } from './completion/names.ts';
import { InputError } from './input-error.ts';
import { checkVerb, program } from './program.ts';
import { usageProblem } from './usage.ts';
import { Verb } from './verb/verb.ts';

async function main(words: string[]): Promise<number> {
  let code = 0;
  const root = program((ended) => (code = ended));
  const [name, ...more] = words;
  if (name === '__complete') {
    process.stdout.write(await complete(root, more, names));
    return 0;
  }
  if (name === undefined) {
    root.outputHelp();
    return 2;
  }
  checkVerb(root, name === 'help' ? (more[0] ?? name) : name);
  try {
    await root.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    throw new InputError(
      usageProblem(
        error,
        root.commands.find((each): each is Verb => each instanceof Verb && each.name() === name),
      ),
    );
  }
  return code;
}

// `kubectl tracing … | head` is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const expected = error instanceof InputError;
    const message =
      expected || !(error instanceof Error) ? String((error as Error).message) : (error.stack ?? error.message);
    process.stderr.write(`kubectl tracing: ${message}\n`);
    process.exitCode = expected ? 2 : 1;
  },
);
