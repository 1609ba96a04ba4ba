import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

export interface CommandOptions {
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Given to the command's standard input. */
  readonly input?: string | undefined;
  /** Append all output to this file instead of keeping it; its last lines are part of the error. */
  readonly log?: string | undefined;
  /** What the command is called in an error, where it is wrapped in others. */
  readonly title?: string | undefined;
  /** Resolve with what there is when the command fails, instead of rejecting. */
  readonly tolerant?: boolean | undefined;
}

/** A command that ended with a status other than zero, or could not be started. */
export class CommandError extends Error {
  readonly status: number | null;
  constructor(message: string, status: number | null) {
    super(message);
    this.name = 'CommandError';
    this.status = status;
  }
}

/** Runs a command to its end and resolves to its standard output. */
export async function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const log = options.log === undefined ? undefined : openSync(options.log, 'a');
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', log ?? 'pipe', log ?? 'pipe'],
  });
  if (log !== undefined) closeSync(log);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A command that ends before it read all of its input closes the pipe: its status tells, not the pipe.
  child.stdin?.on('error', () => undefined).end(options.input);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (error) => reject(new CommandError(`${command} could not be started: ${error.message}`, null)));
    child.on('close', resolve);
  });
  if (status !== 0 && options.tolerant !== true) {
    const shown = options.title ?? `${command} ${args.slice(0, 6).join(' ')}${args.length > 6 ? ' …' : ''}`;
    const output = options.log === undefined ? lastLines(stderr || stdout) : logTail(options.log);
    throw new CommandError(`${shown} failed (${status ?? 'killed'})\n${output}`, status);
  }
  return stdout;
}

/** Whether a command succeeds; its output is dropped. */
export async function succeeds(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<boolean> {
  return run(command, args, options).then(
    () => true,
    () => false,
  );
}

/** The path of a program on PATH, or undefined. */
export async function which(program: string): Promise<string | undefined> {
  const found = await run('sh', ['-c', 'command -v "$1"', 'sh', program], { tolerant: true });
  return found.trim() || undefined;
}

function logTail(path: string): string {
  return `${lastLines(readFileSync(path, 'utf8'))}\nall of it: ${path}`;
}

function lastLines(text: string, count = 20): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
