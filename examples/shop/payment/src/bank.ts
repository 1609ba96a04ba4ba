import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

const ATTEMPTS = 3;
const PATIENCE_MS = 800;
const PAUSE_MS = 50;

/** The bank said no to the card. */
export class DeclinedError extends Error {
  override name = 'DeclinedError';
}

/** Nothing came of several tries. */
export class BankUnavailableError extends Error {
  override name = 'BankUnavailableError';
}

/** The bank, by HTTP. It fails or dawdles now and then, and is asked again. */
export class Bank {
  readonly #url: string;
  readonly #log: Logger;

  constructor(url: string, log: Logger) {
    this.#url = url;
    this.#log = log;
  }

  /** Authorizes an amount; the key has the bank do it once, however often it is asked. */
  async authorize({ key, card, amountCents }: { key: string; card: string; amountCents: number }): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        const response = await fetch(new URL('/authorizations', this.#url), {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'idempotency-key': key },
          body: JSON.stringify({ card, amountCents }),
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        const { error } = (await response.json()) as { error?: string };
        if (response.ok) return;
        if (response.status < 500) throw new DeclinedError(`card declined: ${error}`);
        this.#log.warn({ attempt, status: response.status }, 'the bank failed');
      } catch (error) {
        if (error instanceof DeclinedError) throw error;
        this.#log.warn({ attempt, err: error }, 'the bank does not answer');
      }
      if (attempt < ATTEMPTS) await sleep(PAUSE_MS * attempt);
    }
    throw new BankUnavailableError('the bank is not available');
  }
}
