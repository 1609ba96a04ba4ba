import { setImmediate as turn } from 'node:timers/promises';
import type { NamespaceState, PolicyState, ViewerState } from './state.ts';

/** What is needed of an HTTP response. */
export interface Sink {
  /** @returns false where it has taken enough for now. */
  write(text: string): boolean;
  /** Resolves when it takes more. Rejects when it has not for too long, or is gone. */
  drained(): Promise<void>;
  end(): void;
}

/** What somebody may see now. */
export interface Sight {
  user: string;
  all: boolean;
  namespaces: Set<string>;
  /** Whether policies of the cluster are shown. */
  policies: boolean;
}

export interface StreamsOptions {
  namespaces: () => string[];
  of: (namespace: string) => NamespaceState | undefined;
  clusterPolicies: () => PolicyState[];
  intervals?: Intervals;
}

/** Milliseconds. */
interface Intervals {
  /** In which changes of a namespace become one. */
  settle: number;
  /** After which a silent stream says that it is there. */
  heartbeat: number;
  /** After which rights are asked for again. */
  sight: number;
}

const INTERVALS: Intervals = { settle: 1_000, heartbeat: 15_000, sight: 60_000 };
/** Streams of everybody, and of one viewer. */
export const LIMITS = { all: 100, each: 8 } as const;

/** One look at the page that goes on. */
interface Stream {
  key: string;
  /** Namespaces that may have changed since they were sent. */
  dirty: Set<string>;
  /** What was sent of each, by its number. */
  sent: Map<string, number>;
  wake: () => void;
  closed: boolean;
}

/** A namespace as it is sent. */
interface Snapshot {
  /** Another one where the text is another. */
  number: number;
  text: string;
}

/**
 * Tells everybody who looks at the page what changes, as server-sent events. A namespace is put together once for all of
 * them, and only while somebody looks. A slow reader misses what lies between, and is sent the latest: what waits for it is
 * names of namespaces, never texts.
 */
export class Streams {
  readonly #options: StreamsOptions;
  readonly #intervals: Intervals;
  readonly #streams = new Set<Stream>();
  /** Undefined: of a namespace of which there is nothing to be said. */
  readonly #snapshots = new Map<string, Snapshot | undefined>();
  /** Those that are to be put together again when somebody is sent them. */
  readonly #stale = new Set<string>();
  readonly #changed = new Set<string>();
  #numbers = 0;
  #settling: NodeJS.Timeout | undefined;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#intervals = options.intervals ?? INTERVALS;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Why one more is refused to a viewer; undefined where it is not. */
  full(key: string): string | undefined {
    if (this.#streams.size >= LIMITS.all) return `${LIMITS.all} pages are open`;
    const own = [...this.#streams].filter((stream) => stream.key === key).length;
    return own >= LIMITS.each ? `you have ${LIMITS.each} pages open` : undefined;
  }

  /** Something in a namespace may be other than it was. */
  changed(namespace: string): void {
    // Whoever comes next has everything put together anew.
    if (this.#streams.size === 0) return;
    this.#changed.add(namespace);
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      for (const name of this.#changed) this.#stale.add(name);
      for (const stream of this.#streams) {
        for (const name of this.#changed) stream.dirty.add(name);
        stream.wake();
      }
      this.#changed.clear();
    }, this.#intervals.settle);
  }

  /**
   * Sends until the reader has gone, or may see nothing any more.
   * @param look what the viewer may see; asked again and again.
   * @param signal aborted when the reader has gone.
   */
  async run(key: string, sink: Sink, look: () => Promise<Sight | undefined>, signal: AbortSignal): Promise<void> {
    const stream: Stream = { key, dirty: new Set(), sent: new Map(), wake: () => {}, closed: false };
    const close = () => {
      stream.closed = true;
      stream.wake();
    };
    signal.addEventListener('abort', close);
    this.#streams.add(stream);
    try {
      await this.#send(stream, sink, look);
    } finally {
      signal.removeEventListener('abort', close);
      this.#streams.delete(stream);
      if (this.#streams.size === 0) this.#snapshots.clear();
      sink.end();
    }
  }

  /** Ends all of them: browsers come again, to another replica. */
  close(): void {
    clearTimeout(this.#settling);
    for (const stream of this.#streams) {
      stream.closed = true;
      stream.wake();
    }
  }

  async #send(stream: Stream, sink: Sink, look: () => Promise<Sight | undefined>): Promise<void> {
    const { heartbeat, sight: refresh } = this.#intervals;
    const write = async (text: string) => {
      if (!sink.write(text)) await sink.drained();
    };
    let sight: Sight | undefined;
    let lookedAt = 0;
    let viewer = '';
    while (!stream.closed) {
      if (!sight || performance.now() - lookedAt >= refresh) {
        sight = await look();
        lookedAt = performance.now();
        if (!sight) return void (await write(event('ended', {})));
        for (const name of sight.all ? this.#options.namespaces() : sight.namespaces)
          if (!stream.sent.has(name)) stream.dirty.add(name);
        for (const name of stream.sent.keys()) if (!sight.all && !sight.namespaces.has(name)) stream.dirty.add(name);
      }
      const said = event('viewer', this.#viewer(sight));
      if (said !== viewer) await write((viewer = said));
      await this.#sendDirty(stream, sight, write);
      await write(event('current', { at: new Date().toISOString() }));
      await this.#pause(stream, heartbeat);
    }
  }

  #viewer({ user, all, policies }: Sight): ViewerState {
    return { user, all, policies: policies ? this.#options.clusterPolicies() : [] };
  }

  async #sendDirty(stream: Stream, sight: Sight, write: (text: string) => Promise<void>): Promise<void> {
    const names = [...stream.dirty];
    stream.dirty.clear();
    for (const name of names) {
      if (stream.closed) return;
      // One that is new since the rights were asked for: whoever sees all sees it.
      const seen = sight.all || sight.namespaces.has(name);
      const snapshot = seen ? this.#snapshot(name) : undefined;
      if (stream.sent.get(name) === snapshot?.number) continue;
      if (snapshot) stream.sent.set(name, snapshot.number);
      else stream.sent.delete(name);
      await write(snapshot?.text ?? event('gone', { namespace: name }));
      // Other work of this process comes in between: there may be hundreds.
      await turn();
    }
  }

  #snapshot(name: string): Snapshot | undefined {
    if (this.#stale.delete(name) || !this.#snapshots.has(name)) {
      const state = this.#options.of(name);
      const text = state && event('namespace', state);
      if (text !== this.#snapshots.get(name)?.text)
        this.#snapshots.set(name, text === undefined ? undefined : { number: ++this.#numbers, text });
    }
    return this.#snapshots.get(name);
  }

  #pause(stream: Stream, milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => stream.wake(), milliseconds);
      stream.wake = () => {
        clearTimeout(timer);
        stream.wake = () => {};
        resolve();
      };
      if (stream.closed || stream.dirty.size > 0) stream.wake();
    });
  }
}

/** One server-sent event. Line ends of other people's texts are escaped by JSON, so that none of them can begin another. */
function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
