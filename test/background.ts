import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from './cluster/command.ts';
import { announce, step } from './cluster/progress.ts';

export interface BackgroundOptions {
  /** It begins when that is done, and fails with it. */
  readonly after?: Background | undefined;
  /** How far it stands back behind the stages that run, 0 to 19. */
  readonly niceness: number;
}

/** What a later stage needs, made by a process of its own while others run; its output goes to a file. */
export class Background {
  readonly #title: string;
  readonly #log: string;
  readonly #work: Promise<unknown>;
  #over = false;

  /**
   * Starts a Node program with these arguments.
   * @param title what is made, as in `Kubernetes`
   */
  constructor(title: string, args: readonly string[], { after, niceness }: BackgroundOptions) {
    this.#title = title;
    this.#log = join(mkdtempSync(join(tmpdir(), 'tracing-background-')), 'log');
    this.#work = this.#run(args, niceness, after).finally(() => (this.#over = true));
    // Whoever waits for it is told.
    this.#work.catch(() => undefined);
  }

  /** Resolves when it is made, and says so when that takes longer; rejects with all that the process said. */
  async done(): Promise<void> {
    if (this.#over) return void (await this.#work);
    announce(`• ${this.#title}: made in the background, see ${this.#log}`);
    await step(`waiting for ${this.#title}`, {}, () => this.#work);
  }

  async #run(args: readonly string[], niceness: number, after?: Background): Promise<void> {
    try {
      if (after) await after.#work;
    } catch (error) {
      rmSync(dirname(this.#log), { recursive: true });
      throw error;
    }
    try {
      await run('nice', ['-n', String(niceness), process.execPath, ...args], { log: this.#log });
    } catch (error) {
      const said = readFileSync(this.#log, 'utf8').trimEnd();
      throw new Error(`${this.#title} could not be made\n${said}\nkept in ${this.#log}`, { cause: error });
    }
    rmSync(dirname(this.#log), { recursive: true });
  }
}
