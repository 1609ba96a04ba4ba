const TTY_INTERVAL_MS = 15_000;
const PLAIN_INTERVAL_MS = 30_000;

/** A duration for people: `0.4 s`, `12 s`, `3 min 05 s`. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** One line of progress. It goes to standard error: standard output belongs to the commands that people run through us. */
export function announce(text: string): void {
  process.stderr.write(`${text}\n`);
}

export interface StepOptions {
  /** How long it usually takes, in words. */
  readonly usually?: string | undefined;
}

/** Says what begins and how long it usually takes, the time gone by while it lasts, and how long it took. */
export async function step<T>(title: string, options: StepOptions, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  announce(`• ${title}${options.usually === undefined ? '' : ` (usually ${options.usually})`}`);
  const interval = process.stderr.isTTY ? TTY_INTERVAL_MS : PLAIN_INTERVAL_MS;
  const timer = setInterval(() => announce(`  … ${title}: ${formatDuration(performance.now() - started)}`), interval);
  try {
    const result = await work();
    announce(`  done in ${formatDuration(performance.now() - started)}`);
    return result;
  } catch (error) {
    announce(`  failed after ${formatDuration(performance.now() - started)}`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Calls `check` until it is true; rejects with `what` when the time is over. */
export async function until(what: string, timeoutMs: number, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`${what} within ${formatDuration(timeoutMs)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
