import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { formatDuration } from '../../cluster/progress.ts';

/** What a probe answers; while it can't be asked, or fails, why. */
export interface Answer {
  pod?: string;
  /** Whether the request was sampled; null while the process is not traced. */
  sampled?: boolean | null;
  error?: string | number;
}

const PROGRAM = readFileSync(new URL('./watch.cjs', import.meta.url), 'utf8');

/** The arguments for `node` with which it watches these URLs. */
export function watchArguments(intervalMs: number, urls: readonly string[]): string[] {
  return ['-e', PROGRAM, String(intervalMs), ...urls];
}

/** Answers as they change, told by a process that runs live/watch.cjs. */
export class Watch {
  readonly #child: ChildProcess;
  readonly #answers = new Map<string, Answer>();
  readonly #listeners = new Set<() => void>();
  #stderr = '';
  #ended: Error | undefined;

  /** Starts `command`; it is to run live/watch.cjs, wherever, and to pass on its standard input and output. */
  constructor([command, args]: [string, string[]], urls: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    for (const url of urls) this.#answers.set(url, {});
    this.#child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin?.on('error', () => undefined); // it ended first, which `exit` tells
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#child.once('error', (error) => this.#end(error));
    this.#child.once('close', () => this.#end(new Error(`the watching process ended: ${this.#stderr}`)));
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const space = line.indexOf(' ');
      this.#answers.set(line.slice(0, space), JSON.parse(line.slice(space + 1)) as Answer);
      for (const listener of this.#listeners) listener();
    });
  }

  /** Resolves, to `performance.now()`, as soon as the latest answers of all URLs satisfy `check`. */
  async until(what: string, timeoutMs: number, check: (answers: Answer[]) => boolean): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const look = () => {
      if (this.#ended) reject(this.#ended);
      else if (check([...this.#answers.values()])) resolve(performance.now());
    };
    const timer = setTimeout(() => {
      const answers = JSON.stringify([...this.#answers.values()]);
      reject(new Error(`${what} within ${formatDuration(timeoutMs)}; last answers: ${answers}`));
    }, timeoutMs);
    this.#listeners.add(look);
    look();
    try {
      return await promise;
    } finally {
      this.#listeners.delete(look);
      clearTimeout(timer);
    }
  }

  stop(): void {
    this.#child.stdin?.end();
    this.#child.kill();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const listener of this.#listeners) listener();
  }
}
