import { failed } from './report.ts';

const FLUSH_MILLIS = 1000;
const LAST_FLUSH_MILLIS = 200;
/** By one of these a process ends itself when it has cleaned up. */
const ENDING: Record<number, string> = { 1: 'SIGHUP', 2: 'SIGINT', 3: 'SIGQUIT', 9: 'SIGKILL', 15: 'SIGTERM' };

/** What must be sent before the process ends. */
export interface Unsent {
  pending(): boolean;
  flush(): Promise<void>;
  /** Sends before it returns what it can in so many milliseconds. */
  flushNow(millis: number): void;
}

/** What has begun and would never be sent. */
export interface Unfinished {
  readonly any: boolean;
  /** An error that nobody caught is about to be told to the app, or to end the process. */
  uncaught(error: unknown): void;
  /** The process ends. */
  abandon(): void;
}

/** Several as one; the time there is at the end goes to the first before the others. */
export function together(parts: readonly Unsent[]): Unsent {
  return {
    pending: () => parts.some((part) => part.pending()),
    async flush() {
      await Promise.all(parts.map((part) => part.flush()));
    },
    flushNow(millis) {
      const deadline = performance.now() + millis;
      for (const part of parts) part.flushNow(deadline - performance.now());
    },
  };
}

/**
 * Whether this event tells of an error that nobody caught. The first is emitted whether anybody listens or not, also for a
 * rejection; but before that Node still has to find out where that came from, which it cannot once the error's stack was read.
 */
function isUncaught(event: unknown): boolean {
  return (
    event === 'uncaughtExceptionMonitor' ||
    (event === 'unhandledRejection' && process.listenerCount('unhandledRejection') > 0)
  );
}

type Emit = typeof process.emit;
type Kill = (pid: number, signal: number) => number;
interface Replaced {
  name: 'emit' | '_kill';
  ours: unknown;
  before: PropertyDescriptor | undefined;
}

/**
 * Sends what is left when the process ends: within 'beforeExit', for at most a second, when the event loop runs dry; at
 * once, for at most a fifth of that, when 'exit' is emitted (process.exit, an uncaught exception) or the process sends
 * itself a signal. 'beforeExit' is held back until then and emitted once, as without us. No listener is added that the app
 * could count, and while nothing waits to be sent `process` is as it came.
 */
export class ExitFlush {
  private readonly unsent: Unsent;
  private readonly unfinished: Unfinished;
  private held: Replaced[] = [];

  constructor(unsent: Unsent, unfinished: Unfinished) {
    this.unsent = unsent;
    this.unfinished = unfinished;
  }

  /** To be called when there is something to send, or will be. */
  arm(): void {
    if (this.held.length > 0) return;
    const original = process.emit;
    const emit = ((...values: unknown[]): boolean => {
      if (values[0] === 'beforeExit' && this.hold()) return true;
      if (values[0] === 'exit') this.last();
      if (isUncaught(values[0])) this.uncaught(values[1]);
      return Reflect.apply(original, process, values) as boolean;
    }) as Emit;
    const own = process as unknown as { _kill: Kill };
    const kill = own._kill;
    const _kill: Kill = (...values) => {
      const [pid, signal] = values;
      const name = ENDING[signal];
      const isSelf = pid === 0 || Math.abs(pid) === process.pid;
      if (isSelf && name !== undefined && process.listenerCount(name) === 0) this.last();
      return Reflect.apply(kill, process, values);
    };
    this.replace('emit', emit, false);
    if (kill !== undefined) this.replace('_kill', _kill, true);
  }

  /** Lets go if nothing is left to send. */
  release(): void {
    if (!this.unsent.pending() && !this.unfinished.any) this.disarm();
  }

  private replace(name: Replaced['name'], ours: unknown, enumerable: boolean): void {
    const before = Object.getOwnPropertyDescriptor(process, name);
    Object.defineProperty(process, name, { value: ours, writable: true, configurable: true, enumerable });
    this.held.push({ name, ours, before });
  }

  /** Gives `process` back, but for what someone else has put over ours in the meantime. */
  private disarm(): void {
    const own = process as unknown as Record<string, unknown>;
    this.held = this.held.filter(({ name, ours, before }) => {
      if (own[name] !== ours) return true;
      if (before) Object.defineProperty(process, name, before);
      else delete own[name];
      return false;
    });
  }

  /** Starts the last flush; true when 'beforeExit' has to wait for it. */
  private hold(): boolean {
    this.disarm();
    if (!this.unsent.pending()) return false;
    // This timer keeps the loop alive; once it is gone the loop runs dry again and 'beforeExit' comes back.
    const bound = setTimeout(() => undefined, FLUSH_MILLIS);
    const done = (): void => clearTimeout(bound);
    this.unsent.flush().then(done, done);
    return true;
  }

  private uncaught(error: unknown): void {
    try {
      this.unfinished.uncaught(error);
    } catch (failure) {
      failed('an uncaught error could not be recorded', failure);
    }
  }

  private last(): void {
    try {
      this.unfinished.abandon();
      if (!this.unsent.pending()) return;
      this.unsent.flushNow(LAST_FLUSH_MILLIS);
    } catch (error) {
      failed('the last spans could not be sent', error);
    }
  }
}
