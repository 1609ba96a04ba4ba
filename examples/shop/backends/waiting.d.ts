import type { Logger } from 'pino';

export function waitFor<T>(
  what: string,
  attempt: () => Promise<T>,
  options: { log: Logger; signal: AbortSignal },
): Promise<T>;
