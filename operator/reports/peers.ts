import { lookup } from 'node:dns/promises';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Part } from '../manager.ts';
import type { KeptReport } from './report.ts';
import type { ReportStore } from './store.ts';

export interface PeersOptions {
  store: ReportStore;
  /** DNS name of all replicas, also of those that start or end. */
  host: string;
  /** Name in the certificate that all of them serve. */
  serverName: string;
  port: number;
  /** The authority that signed it, PEM. */
  ca: () => string;
  /** Our own token for their eyes; renewed by the kubelet, so read anew each time. */
  token: () => string;
  /** Milliseconds that a start waits for others. */
  patience?: number;
  logger: Logger;
}

const INTERVAL = 2_000;
/** Until the first round that left nothing out. */
const FIRST = { interval: 250, patience: 15_000 };

/**
 * Keeps this replica's reports complete: agents tell whichever replica their connection leads to, and each replica asks the
 * others every two seconds what they were told since. So whoever leads next has all of it already. A replica that starts
 * has not started before it knows what the others know: a rollout ends one replica after the other as soon as new ones are
 * ready, and agents do not report again soon.
 */
export class Peers implements Part {
  readonly name = 'peers';
  readonly #options: Required<PeersOptions>;
  readonly #seen = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: PeersOptions) {
    this.#options = { patience: FIRST.patience, ...options };
  }

  /** Resolves after a round that left nothing out, or when that has taken too long. */
  async start(): Promise<void> {
    const began = performance.now();
    while (!this.#stopped && !(await this.#round())) {
      if (performance.now() - began > this.#options.patience) {
        this.#options.logger.warn('started without what other replicas were told');
        break;
      }
      await sleep(FIRST.interval);
    }
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #again(): void {
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#round().then(() => this.#again()), INTERVAL);
  }

  /** @returns whether nobody was left out. */
  async #round(): Promise<boolean> {
    const { host, logger } = this.#options;
    let addresses: string[];
    try {
      addresses = (await lookup(host, { all: true })).map(({ address }) => address);
    } catch (error) {
      logger.warn({ error: String(error) }, 'other replicas cannot be found');
      return false;
    }
    for (const address of this.#seen.keys()) if (!addresses.includes(address)) this.#seen.delete(address);
    const results = await Promise.allSettled(addresses.map((address) => this.#ask(address)));
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    // Nobody listens there: one that has just begun, or is at its end, and has nothing to tell.
    const left = failures.filter((error) => (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED');
    for (const error of left) logger.warn({ error: String(error) }, 'a replica did not say what it was told');
    return left.length === 0;
  }

  async #ask(address: string): Promise<void> {
    const since = this.#seen.get(address) ?? 0;
    const { sequence, reports } = await this.#get(address, since);
    for (const report of reports) this.#options.store.put(report);
    // A lower number than before: it has started anew, and its clock was set back. It is asked for everything.
    this.#seen.set(address, sequence < since ? 0 : sequence);
  }

  #get(address: string, since: number): Promise<{ sequence: number; reports: KeptReport[] }> {
    const { port, serverName, ca, token } = this.#options;
    return new Promise((resolve, reject) => {
      const request = https.get(
        {
          host: address,
          port,
          path: `/reports?since=${since}`,
          servername: serverName,
          ca: ca(),
          headers: { authorization: `Bearer ${token()}` },
          timeout: 5_000,
        },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (text: string) => (body += text));
          response.on('end', () => {
            try {
              if (response.statusCode !== 200) throw new Error(`${address} answered ${response.statusCode}`);
              resolve(JSON.parse(body) as { sequence: number; reports: KeptReport[] });
            } catch (error) {
              reject(error instanceof Error ? error : new Error(String(error)));
            }
          });
        },
      );
      request.on('timeout', () => request.destroy(new Error(`${address} does not answer`))).on('error', reject);
    });
  }
}
