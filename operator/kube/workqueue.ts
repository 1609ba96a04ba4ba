/** Hooks for metrics, named after controller-runtime's. */
export interface QueueObserver {
  depth(length: number): void;
  retried(): void;
  finished(result: 'success' | 'error' | 'requeue', seconds: number): void;
}

export interface QueueOptions {
  /** How many keys are worked on at once; one key never is by two workers. */
  workers?: number;
  /** Exponential backoff of one key, milliseconds. */
  baseDelay?: number;
  maxDelay?: number;
  observer?: QueueObserver;
  onError?: (key: string, error: unknown, failures: number) => void;
}

/**
 * Hands each key to `work`, once for however many times it was added meanwhile. A key that is added while it is worked
 * on is worked on again afterwards. A failure is retried with a growing delay; `work` may return milliseconds after which
 * it wants to see the key again. The semantics are those of client-go's workqueue.
 */
export class WorkQueue {
  readonly #work: (key: string, signal: AbortSignal) => Promise<number | undefined>;
  readonly #options: Required<Pick<QueueOptions, 'workers' | 'baseDelay' | 'maxDelay'>> & QueueOptions;
  readonly #waiting = new Set<string>();
  readonly #active = new Set<string>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { timer: NodeJS.Timeout; due: number }>();
  readonly #stop = new AbortController();
  #started = false;
  #idle: (() => void)[] = [];

  constructor(work: (key: string, signal: AbortSignal) => Promise<number | undefined>, options: QueueOptions = {}) {
    this.#work = work;
    this.#options = { workers: 1, baseDelay: 5, maxDelay: 1_000_000, ...options };
  }

  add(key: string): void {
    if (this.#stop.signal.aborted) return;
    if (this.#active.has(key)) this.#again.add(key);
    else this.#waiting.add(key);
    this.#options.observer?.depth(this.#waiting.size);
    this.#next();
  }

  /** Adds a key later; of two delays for one key the shorter counts. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#stop.signal.aborted) return;
    const due = Date.now() + milliseconds;
    const pending = this.#timers.get(key);
    if (pending && pending.due <= due) return;
    if (pending) clearTimeout(pending.timer);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, milliseconds);
    this.#timers.set(key, { timer, due });
  }

  start(): void {
    this.#started = true;
    this.#next();
  }

  /** Takes no more work and resolves when what was being worked on has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
    if (this.#active.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #next(): void {
    while (this.#started && !this.#stop.signal.aborted && this.#active.size < this.#options.workers) {
      const key = this.#waiting.values().next().value;
      if (key === undefined) return;
      this.#waiting.delete(key);
      this.#active.add(key);
      this.#options.observer?.depth(this.#waiting.size);
      void this.#process(key);
    }
  }

  async #process(key: string): Promise<void> {
    const began = performance.now();
    const finished = (result: 'success' | 'error' | 'requeue') =>
      this.#options.observer?.finished(result, (performance.now() - began) / 1000);
    try {
      const after = await this.#work(key, this.#stop.signal);
      this.#failures.delete(key);
      if (after !== undefined) this.addAfter(key, after);
      finished(after === undefined ? 'success' : 'requeue');
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      finished('error');
      if (!this.#stop.signal.aborted) this.#options.onError?.(key, error, failures);
      this.#failures.set(key, failures);
      this.#options.observer?.retried();
      this.addAfter(key, Math.min(this.#options.baseDelay * 2 ** (failures - 1), this.#options.maxDelay));
    } finally {
      this.#active.delete(key);
      if (this.#again.delete(key) && !this.#stop.signal.aborted) this.#waiting.add(key);
      if (this.#stop.signal.aborted && this.#active.size === 0) this.#idle.splice(0).forEach((resolve) => resolve());
      this.#next();
    }
  }
}
