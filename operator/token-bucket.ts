/** Allows so many at once, and one more each `interval` milliseconds. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #interval: number;
  #tokens: number;
  #at: number;

  constructor(capacity: number, interval: number, now: number) {
    this.#capacity = capacity;
    this.#interval = interval;
    this.#tokens = capacity;
    this.#at = now;
  }

  /** Takes one if there is one. */
  take(now: number): boolean {
    this.#fill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Takes one in any case; returns the milliseconds until it would have been there. */
  reserve(now: number): number {
    this.#fill(now);
    this.#tokens--;
    return Math.max(0, Math.ceil(-this.#tokens * this.#interval));
  }

  /** Milliseconds until there is one, right after `take` found none. */
  get wait(): number {
    return Math.max(0, Math.ceil((1 - this.#tokens) * this.#interval));
  }

  #fill(now: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + (now - this.#at) / this.#interval);
    this.#at = now;
  }
}
