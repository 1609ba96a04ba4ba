import { lookup } from 'node:dns/promises';
import https from 'node:https';
import type { Logger } from 'pino';
import type { Part } from '../manager.ts';
import type { KeptReport } from './report.ts';
import type { ReportStore } from './store.ts';

export interface PeersOptions {
  store: ReportStore;
  /** Headless Service that names all replicas. */
  host: string;
  /** Name in the certificate that all of them serve. */
  serverName: string;
  port: number;
  /** The authority that signed it, PEM. */
  ca: () => string;
  /** Our own token for their eyes; renewed by the kubelet, so read anew each time. */
  token: () => string;
  logger: Logger;
}

const INTERVAL = 2_000;

/**
 * Keeps this replica's reports complete: agents tell whichever replica their connection leads to, and each replica asks the
 * others every two seconds what they were told since. So whoever leads next has all of it already, and a replica that
 * starts has it after one round.
 */
export class Peers implements Part {
  readonly name = 'peers';
  readonly #options: PeersOptions;
  readonly #seen = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  start(): void {
    const round = async (): Promise<void> => {
      await this.#round().catch((error: unknown) =>
        this.#options.logger.warn({ error: String(error) }, 'other replicas cannot be found'),
      );
      if (!this.#stopped) this.#timer = setTimeout(() => void round(), INTERVAL);
    };
    void round();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #round(): Promise<void> {
    const addresses = (await lookup(this.#options.host, { all: true })).map(({ address }) => address);
    for (const address of this.#seen.keys()) if (!addresses.includes(address)) this.#seen.delete(address);
    const results = await Promise.allSettled(addresses.map((address) => this.#ask(address)));
    for (const result of results)
      if (result.status === 'rejected')
        this.#options.logger.warn({ error: String(result.reason) }, 'a replica did not say what it was told');
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
