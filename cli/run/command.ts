import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';

/** How a command ended: by itself, by a signal, or before it began. Codes are those of a shell. */
export type Ended = { code: number } | { signal: NodeJS.Signals } | { code: 126 | 127; problem: string };

/** A terminal sends these to all processes in its foreground, the command among them: once is enough. */
const FROM_TERMINAL: NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGHUP'];
const PASSED_ON: NodeJS.Signals[] = ['SIGTERM', 'SIGUSR1', 'SIGUSR2'];

/**
 * Runs a command to its end. It has this process's standard streams, and the signals that this process gets; which itself
 * outlives them.
 * @param begun is called once it runs.
 */
export async function runCommand(
  [file = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  begun: () => void,
): Promise<Ended> {
  const child = spawn(file, args, { env, stdio: 'inherit' });
  child.once('spawn', begun);
  const hasTerminal = [0, 1, 2].some((fd) => isatty(fd));
  for (const signal of FROM_TERMINAL) process.on(signal, () => void (hasTerminal || child.kill(signal)));
  for (const signal of PASSED_ON) process.on(signal, () => void child.kill(signal));
  return new Promise((resolve) => {
    child.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      if (code === 'ENOENT') resolve({ code: 127, problem: `${file}: there is no such program` });
      else resolve({ code: 126, problem: `${file} cannot be run: ${message}` });
    });
    child.once('exit', (code, signal) => resolve(signal ? { signal } : { code: code ?? 1 }));
  });
}

/** Ends this process as a signal ended the command: whoever waits for it sees the same. */
export function endBy(signal: NodeJS.Signals): number {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // What a shell makes of it, should this process be shielded from the signal.
  return 128 + constants.signals[signal];
}
