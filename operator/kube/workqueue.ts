import { TokenBucket } from '../token-bucket.ts';

/** Hooks for metrics, named after controller-runtime's. */
export interface QueueObserver {
  depth(length: number): void;
  retried(): void;
  finished(result: 'success' | 'error' | 'requeue', seconds: number): void;
}

/** So many at once, and so many a second after that. */
export interface Rate {
  burst: number;
  perSecond: number;
}

export interface QueueOptions {
  /** How many keys are worked on at once; one key never is by two workers. */
  workers?: number;
  /** Exponential backoff of one key, milliseconds. */
  baseDelay?: number;
  maxDelay?: number;
  /** How often keys may fail and be tried again, all of them together: many that fail at once must not hammer anybody. */
  retries?: Rate;
  /** How often work may begin at all. Without it, as soon as a worker is free. */
  pace?: Rate;
  /** Keys take turns by what this says of them, so that one with many keys does not hold up others with few. */
  group?: (key: string) => string;
  observer?: QueueObserver;
  onError?: (key: string, error: unknown, failures: number) => void;
}

/** client-go's DefaultTypedControllerRateLimiter. */
const RETRIES: Rate = { burst: 100, perSecond: 10 };

/**
 * Hands each key to `work`, once for however many times it was added meanwhile. A key that is added while it is worked
 * on is worked on again afterwards. A failure is retried with a growing delay; `work` may return milliseconds after which
 * it wants to see the key again. The semantics are those of client-go's workqueue; taking turns and a pace are ours.
 */
export class WorkQueue {
  readonly #work: (key: string, signal: AbortSignal) => Promise<number | undefined>;
  readonly #options: Required<Pick<QueueOptions, 'workers' | 'baseDelay' | 'maxDelay' | 'group'>> & QueueOptions;
  /** By group; the group whose turn it is first. */
  readonly #waiting = new Map<string, Set<string>>();
  readonly #active = new Set<string>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { timer: NodeJS.Timeout; due: number }>();
  readonly #stop = new AbortController();
  readonly #retries: TokenBucket;
  readonly #pace: TokenBucket | undefined;
  #depth = 0;
  #started = false;
  #pause: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(work: (key: string, signal: AbortSignal) => Promise<number | undefined>, options: QueueOptions = {}) {
    this.#work = work;
    this.#options = { workers: 1, baseDelay: 5, maxDelay: 1_000_000, group: () => '', ...options };
    this.#retries = bucket(options.retries ?? RETRIES);
    this.#pace = options.pace && bucket(options.pace);
  }

  add(key: string): void {
    if (this.#stop.signal.aborted) return;
    if (this.#active.has(key)) this.#again.add(key);
    else this.#enqueue(key);
    this.#options.observer?.depth(this.#depth);
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
    clearTimeout(this.#pause);
    this.#waiting.clear();
    this.#depth = 0;
    if (this.#active.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #enqueue(key: string): void {
    const group = this.#options.group(key);
    let keys = this.#waiting.get(group);
    if (!keys) this.#waiting.set(group, (keys = new Set()));
    if (keys.has(key)) return;
    keys.add(key);
    this.#depth++;
  }

  /** The first key of the group whose turn it is; the group then goes to the end. */
  #dequeue(): string | undefined {
    const [first] = this.#waiting;
    if (!first) return undefined;
    const [group, keys] = first;
    const key = keys.values().next().value!;
    keys.delete(key);
    this.#waiting.delete(group);
    if (keys.size > 0) this.#waiting.set(group, keys);
    this.#depth--;
    return key;
  }

  #next(): void {
    while (this.#started && !this.#stop.signal.aborted && this.#active.size < this.#options.workers) {
      if (this.#depth === 0 || this.#mustWait()) return;
      const key = this.#dequeue()!;
      this.#active.add(key);
      this.#options.observer?.depth(this.#depth);
      void this.#process(key);
    }
  }

  /** Whether the pace does not allow work yet; it then goes on by itself. */
  #mustWait(): boolean {
    if (!this.#pace) return false;
    if (this.#pause !== undefined) return true;
    if (this.#pace.take(performance.now())) return false;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#next();
    }, this.#pace.wait);
    return true;
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
      const backoff = Math.min(this.#options.baseDelay * 2 ** (failures - 1), this.#options.maxDelay);
      this.addAfter(key, Math.max(backoff, this.#retries.reserve(performance.now())));
    } finally {
      this.#active.delete(key);
      if (this.#again.delete(key) && !this.#stop.signal.aborted) this.#enqueue(key);
      if (this.#stop.signal.aborted && this.#active.size === 0) this.#idle.splice(0).forEach((resolve) => resolve());
      this.#next();
    }
  }
}

function bucket({ burst, perSecond }: Rate): TokenBucket {
  return new TokenBucket(burst, 1_000 / perSecond, performance.now());
}
