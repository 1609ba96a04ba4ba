import { ServerEvents } from '../../operator/page/browser/server-events.ts';
import type { NamespaceState, ViewerState } from '../../operator/page/state.ts';
import { until } from '../cluster/progress.ts';

/** What a coverage page that is open has been told so far. */
export class OpenPage {
  readonly namespaces = new Map<string, NamespaceState>();
  viewer: ViewerState | undefined;
  #rounds = 0;

  /** Reads the answer to /api/stream until it ends or is destroyed. */
  constructor(answer: AsyncIterable<Buffer | Uint8Array>) {
    // Whoever cuts the connection knows that it is cut.
    this.#read(answer).catch(() => undefined);
  }

  /** Resolves when all that there is has come once. */
  async complete(): Promise<this> {
    await until('the page says nothing', 20_000, () => Promise.resolve(this.#rounds > 0));
    return this;
  }

  async #read(answer: AsyncIterable<Buffer | Uint8Array>): Promise<void> {
    const [events, decoder] = [new ServerEvents(), new TextDecoder()];
    for await (const piece of answer)
      for (const { name, data } of events.take(decoder.decode(piece, { stream: true })))
        this.#take(name, JSON.parse(data));
  }

  #take(name: string, data: unknown): void {
    const { namespace } = data as NamespaceState;
    if (name === 'viewer') this.viewer = data as ViewerState;
    if (name === 'namespace') this.namespaces.set(namespace, data as NamespaceState);
    if (name === 'gone') this.namespaces.delete(namespace);
    if (name === 'current') this.#rounds++;
  }
}
