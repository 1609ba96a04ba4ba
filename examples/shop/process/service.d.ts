import type { Logger } from 'pino';

interface Lifetime {
  signal: AbortSignal;
  onStop(close: () => Promise<unknown>): void;
}

export function runService(log: Logger, start: (lifetime: Lifetime) => Promise<void>): void;
