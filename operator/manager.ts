import type { Logger } from 'pino';

/** One part of the process: started in the order given, stopped in reverse. */
export interface Part {
  name: string;
  start(): Promise<void> | void;
  /** What keeps it from doing its work now, if anything does; asked from the beginning of its start on. */
  waitingFor?(): string | undefined;
  /** The process is to end soon: serve on, but send clients elsewhere. */
  drain?(): void;
  /** Must end by itself within a few seconds. */
  stop(): Promise<void> | void;
}

/**
 * Starts parts one after another and stops those that were started, last first. A part that fails to start fails the
 * start, and the process: the kubelet tries again.
 */
export class Manager {
  readonly #parts: Part[];
  readonly #logger: Logger;
  #started: Part[] = [];
  #ready = false;
  #stopping: Promise<void> | undefined;

  constructor(parts: Part[], logger: Logger) {
    this.#parts = parts;
    this.#logger = logger;
  }

  /** Why the process may not be sent work: nothing when all parts run, none waits for anything and none is being stopped. */
  waitingFor(): string[] {
    if (this.#stopping) return ['the process is to end'];
    const named = this.#parts.flatMap((part, i) => {
      const why = i < this.#started.length ? part.waitingFor?.() : undefined;
      return why === undefined ? [] : [`${part.name} (${why})`];
    });
    if (named.length > 0 || this.#ready) return named;
    return [this.#started.at(-1)?.name ?? 'start'];
  }

  async start(): Promise<void> {
    for (const part of this.#parts) {
      if (this.#stopping) return;
      const began = performance.now();
      this.#started.push(part);
      await part.start();
      this.#logger.debug({ part: part.name, milliseconds: Math.round(performance.now() - began) }, 'started');
    }
    this.#ready = true;
  }

  /**
   * @param drain milliseconds to go on serving while not ready, so that Services take us out of their endpoints before
   *   connections are refused.
   */
  stop(drain: number): Promise<void> {
    this.#stopping ??= this.#stop(drain);
    return this.#stopping;
  }

  async #stop(drain: number): Promise<void> {
    this.#ready = false;
    for (const part of this.#started) part.drain?.();
    await new Promise((resolve) => setTimeout(resolve, drain));
    for (const part of this.#started.splice(0).reverse()) {
      try {
        await part.stop();
      } catch (error) {
        this.#logger.error({ part: part.name, error }, 'did not stop cleanly');
      }
    }
  }
}
