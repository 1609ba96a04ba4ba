import { uptime } from 'node:os';
import { setTimeout as timer } from 'node:timers/promises';

/** Time as it is handed to whatever has to wait, so that tests decide how it passes. */
export interface Clock {
  /** Milliseconds. Only differences mean something; it never goes back, and goes on while the machine sleeps. */
  now(): number;
  /** What other machines are told. Never to be compared with what they say. */
  date(): Date;
  /** Resolves after that time, and at once when the signal is aborted. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  // performance.now() stands still while a machine is suspended, and would let it believe that no time has passed.
  now: () => uptime() * 1000,
  date: () => new Date(),
  sleep: (milliseconds, signal) => timer(milliseconds, undefined, { signal }).catch(() => {}),
};

/** A time as the API server's MicroTime reads it. */
export function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z');
}
