const EXIT_FLUSH_MILLIS = 1000;

/** What must be sent before the process ends by itself. */
export interface Unsent {
  pending(): boolean;
  flush(): Promise<void>;
}

type Emit = typeof process.emit;

/**
 * Sends what is left when the event loop runs dry, for at most a second. 'beforeExit' is held back until then and emitted
 * once, as without us; no listener is added that the app could count, and while nothing waits to be sent
 * `process.emit` is Node's own.
 */
export class ExitFlush {
  private readonly unsent: Unsent;
  private held: { emit: Emit; original: Emit; wasOwn: boolean } | undefined;

  constructor(unsent: Unsent) {
    this.unsent = unsent;
  }

  /** To be called when there is something to send. */
  arm(): void {
    if (this.held !== undefined) return;
    const original = process.emit;
    const wasOwn = Object.hasOwn(process, 'emit');
    const emit = ((...values: unknown[]): boolean => {
      if (values[0] === 'beforeExit' && this.hold()) return true;
      return Reflect.apply(original, process, values) as boolean;
    }) as Emit;
    define(emit);
    this.held = { emit, original, wasOwn };
  }

  /** Lets go if nothing is left to send. */
  release(): void {
    if (!this.unsent.pending()) this.disarm();
  }

  /** Gives `process.emit` back, unless someone else has put theirs over ours in the meantime. */
  private disarm(): void {
    const held = this.held;
    if (held === undefined || process.emit !== held.emit) return;
    if (held.wasOwn) define(held.original);
    else delete (process as { emit?: Emit }).emit;
    this.held = undefined;
  }

  /** Starts the last flush; true when 'beforeExit' has to wait for it. */
  private hold(): boolean {
    this.disarm();
    if (!this.unsent.pending()) return false;
    // This timer keeps the loop alive; once it is gone the loop runs dry again and 'beforeExit' comes back.
    const bound = setTimeout(() => undefined, EXIT_FLUSH_MILLIS);
    const done = (): void => clearTimeout(bound);
    this.unsent.flush().then(done, done);
    return true;
  }
}

function define(emit: Emit): void {
  Object.defineProperty(process, 'emit', { value: emit, writable: true, configurable: true, enumerable: false });
}
