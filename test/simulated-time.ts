import type { Clock } from '../operator/clock.ts';

interface Sleeper {
  due: number;
  clock: SimulatedClock | undefined;
  wake: () => void;
}

/** Lets everything run that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Time that passes when a test says so, the same for every simulated machine: hours take milliseconds, and no race is left to chance. */
export class SimulatedTime {
  now = 0;
  readonly #sleepers = new Set<Sleeper>();

  /** The clock of one process. */
  clock(options: { aheadBy?: number; rate?: number } = {}): SimulatedClock {
    return new SimulatedClock(this, options);
  }

  /** Resolves after that much of the real, simulated time, or on abort; later where the clock's process is frozen. */
  sleep(milliseconds: number, clock?: SimulatedClock, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper: Sleeper = { due: this.now + Math.max(0, milliseconds), clock, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper);
        resolve();
      });
    });
  }

  /** Lets time pass, one sleeper after the other. @param each is called after each, and at the end. */
  async advance(milliseconds: number, each: () => void = () => {}): Promise<void> {
    const end = this.now + milliseconds;
    await settle();
    for (;;) {
      const ready = [...this.#sleepers].filter(({ clock }) => !clock?.frozen);
      const next = ready.reduce<Sleeper | undefined>(
        (first, one) => (first && first.due <= one.due ? first : one),
        undefined,
      );
      if (!next || next.due > end) break;
      this.now = Math.max(this.now, next.due);
      this.#sleepers.delete(next);
      next.wake();
      await settle();
      each();
    }
    this.now = end;
    each();
  }
}

/** What one process believes the time to be, and whether it runs at all. */
export class SimulatedClock implements Clock {
  readonly #time: SimulatedTime;
  readonly #aheadBy: number;
  readonly #rate: number;
  #thawed: Promise<void> = Promise.resolve();
  #thaw: (() => void) | undefined;

  constructor(time: SimulatedTime, { aheadBy = 0, rate = 1 }: { aheadBy?: number; rate?: number }) {
    this.#time = time;
    this.#aheadBy = aheadBy;
    this.#rate = rate;
  }

  get frozen(): boolean {
    return this.#thaw !== undefined;
  }

  /** As by SIGSTOP, or a machine that hangs: no timer fires and no answer is read, while time goes on. */
  freeze(): void {
    this.#thawed = new Promise((resolve) => (this.#thaw = resolve));
  }

  /** Answers that came meanwhile are read first, timers fire when time next advances: as in Node's event loop. */
  async thaw(): Promise<void> {
    this.#thaw?.();
    this.#thaw = undefined;
    await settle();
  }

  get thawed(): Promise<void> {
    return this.#thawed;
  }

  now(): number {
    return this.#time.now * this.#rate;
  }

  date(): Date {
    return new Date(Date.UTC(2026, 0) + this.#aheadBy + this.now());
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return this.#time.sleep(milliseconds / this.#rate, this, signal);
  }
}
