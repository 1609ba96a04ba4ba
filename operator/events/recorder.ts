import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { microTime, systemClock } from '../clock.ts';
import { ApiError, MERGE_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Part } from '../manager.ts';
import { TokenBucket } from '../token-bucket.ts';

/** What events are about, in words that do not change: people filter by them. */
export type EventReason =
  /** Several policies match the same pods; the note names the one in force, and why. */
  | 'PolicyOverlaps'
  /** Something that a policy says is not done: it sends spans nowhere, or where it may not. */
  | 'PolicyProblem'
  /** Tracing was switched off in running pods. */
  | 'TracingSwitchedOff'
  /** Tracing was asked for, and a pod did not get the agent because of an error of ours. */
  | 'NotInjected'
  /** Pods run that started without the agent they should have. */
  | 'RestartNeeded'
  /** The agent in a pod reports that it does not do what its policy says. */
  | 'AgentFailed'
  /** Agents report that spans are lost on their way. */
  | 'ExportFailing'
  /** The agent's image keeps pods from starting: they are made without it. */
  | 'AgentUnavailable'
  /** A mesh or gateway is configured by the policy, or is not any more; the note says how it stands. */
  | 'IntegrationChanged'
  /** A mesh or gateway that the policy insists on is not configured. */
  | 'IntegrationFailed'
  /** Pods with a policy's new agent restart more often than others: new ones get the other agent again. */
  | 'CanaryHalted'
  /** For some workloads a policy says something else for a while; the note says what, and until when. */
  | 'Overridden'
  /** A workload is restarted, because of a policy's rollout: its pods get what they lack. */
  | 'Restarted'
  /** Its new pods crashed with the agent: they are made without it. */
  | 'RolledBack'
  /** Somebody has put its pod template back. */
  | 'RestartUndone'
  /** Its restart did not help, or was not let be. */
  | 'RestartFailed';

export interface EventRegarding {
  apiVersion: string;
  kind: string;
  name: string;
  /** Left out for what has none. */
  namespace?: string;
  uid?: string;
}

export interface RecordedEvent {
  regarding: EventRegarding;
  type: 'Normal' | 'Warning';
  reason: EventReason;
  /** What was done or tried, as one word, e.g. Deliver. */
  action: string;
  /** For people. Cut at 1 KiB. Of a series the first one stays. */
  note: string;
}

/** Why an event was not written: too many about one object, too many at all, or the API server refused it. */
export type DropReason = 'object' | 'overall' | 'refused';

export interface EventRecorderOptions {
  client: Pick<KubeClient, 'request'>;
  /** Name of this replica. */
  instance: string;
  logger: Logger;
  onDropped?: (why: DropReason, count: number) => void;
  clock?: Clock;
}

/** An event that goes on for as long as the same thing happens again. */
interface Series {
  name: string;
  namespace: string;
  body: Record<string, unknown>;
  count: number;
  /** The count that the API server knows; 0 while it has no such event. */
  written: number;
  lastSeen: number;
  lastObserved: string;
  /** Not to be written before. */
  due: number;
  failures: number;
}

/** As events name who tells them. */
export const CONTROLLER = 'tracing.acme/operator';
/** The same event after as much silence is another series, as in client-go. */
const WINDOW = 6 * 60_000;
/** A series is written when it begins, at its second event, and then no oftener than this. */
const SERIES_INTERVAL = 30_000;
/** Series and objects that are remembered. */
const MEMORY = 1_000;
/** Different events about one object: at once, and milliseconds until the next. */
const OBJECT_LIMIT = [10, 60_000] as const;
/** Requests of this process for events: at once, and milliseconds until the next. */
const OVERALL_LIMIT = [25, 200] as const;
const ATTEMPTS = 4;
const REQUEST_TIMEOUT = 10_000;
/** What is left of the process's end for events. */
const FLUSH_LIMIT = 2_000;

/**
 * Tells people by events.k8s.io what became of their objects. The same event about an object within some minutes is
 * written once, and counted as a series. Recording costs the caller next to nothing: it neither waits nor fails, and what
 * is too much is dropped and counted.
 */
export class EventRecorder implements Part {
  readonly name = 'events';
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  /** By what is the same in a series; the one that was longest silent first. */
  readonly #series = new Map<string, Series>();
  readonly #objects = new Map<string, TokenBucket>();
  readonly #waiting = new Set<Series>();
  readonly #overall: TokenBucket;
  readonly #stopping = new AbortController();
  /** Aborted when something is to be written sooner than what is waited for. */
  #nudge = new AbortController();
  #writing: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#overall = new TokenBucket(...OVERALL_LIMIT, this.#clock.now());
  }

  start(): void {}

  /** Writes what waits, for two seconds at most. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#nudge.abort();
    const written = new AbortController();
    await Promise.race([this.#writing, this.#clock.sleep(FLUSH_LIMIT, written.signal)]);
    written.abort();
    for (const series of this.#waiting) this.#drop('overall', series.count - series.written);
    this.#waiting.clear();
  }

  record(event: RecordedEvent): void {
    try {
      this.#record(event);
    } catch (error) {
      this.#options.logger.warn({ error: String(error) }, 'an event could not be recorded');
    }
  }

  #record(event: RecordedEvent): void {
    if (this.#stopping.signal.aborted) return this.#drop('overall', 1);
    const now = this.#clock.now();
    this.#forget((series) => now - series.lastSeen >= WINDOW);
    const { regarding, type, reason, action } = event;
    const { apiVersion, kind, namespace, name, uid } = regarding;
    const object = [apiVersion, kind, namespace, name, uid].join(' ');
    const key = [object, type, reason, action].join(' ');
    const known = this.#series.get(key);
    if (known) {
      // Last, as the one that was seen last.
      this.#series.delete(key);
      this.#series.set(key, known);
      known.count++;
      known.lastSeen = now;
      known.lastObserved = microTime(this.#clock.date());
      return this.#wait(known);
    }
    if (!this.#allows(object, now)) return this.#drop('object', 1);
    if (this.#waiting.size >= MEMORY) return this.#drop('overall', 1);
    this.#forget(() => this.#series.size >= MEMORY);
    const series = this.#begin(event, now);
    this.#series.set(key, series);
    this.#wait(series);
  }

  #begin({ regarding, type, reason, action, note }: RecordedEvent, now: number): Series {
    const observed = microTime(this.#clock.date());
    // Events about what has no namespace are kept in this one.
    const namespace = regarding.namespace ?? 'default';
    const suffix = randomBytes(8).toString('hex');
    const name = `${regarding.name.slice(0, 230).replace(/[^a-z0-9]+$/, '')}.${suffix}`;
    return {
      name,
      namespace,
      count: 1,
      written: 0,
      lastSeen: now,
      lastObserved: observed,
      due: now,
      failures: 0,
      body: {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name, namespace },
        eventTime: observed,
        reportingController: CONTROLLER,
        reportingInstance: this.#options.instance.slice(0, 128),
        type,
        reason,
        action: action.slice(0, 128),
        regarding,
        note: cut(note, 1024),
      },
    };
  }

  /** Forgets series, the longest silent first. What waits to be written still is. */
  #forget(which: (series: Series) => boolean): void {
    for (const [key, series] of this.#series) {
      if (!which(series)) break;
      this.#series.delete(key);
    }
  }

  #allows(object: string, now: number): boolean {
    const bucket = this.#objects.get(object) ?? new TokenBucket(...OBJECT_LIMIT, now);
    this.#objects.delete(object);
    this.#objects.set(object, bucket);
    if (this.#objects.size > MEMORY) this.#objects.delete(this.#objects.keys().next().value!);
    return bucket.take(now);
  }

  #wait(series: Series): void {
    if (this.#waiting.has(series)) return;
    this.#waiting.add(series);
    this.#nudge.abort();
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  /** Runs while something waits to be written. */
  async #write(): Promise<void> {
    while (this.#waiting.size > 0) {
      this.#nudge = new AbortController();
      const now = this.#clock.now();
      const ends = this.#stopping.signal.aborted;
      let next: Series | undefined;
      for (const series of this.#waiting) if (!next || series.due < next.due) next = series;
      if (next!.due > now && !ends) await this.#clock.sleep(next!.due - now, this.#nudge.signal);
      else if (!this.#overall.take(now)) await this.#clock.sleep(this.#overall.wait);
      else await this.#send(next!);
    }
  }

  async #send(series: Series): Promise<void> {
    this.#waiting.delete(series);
    const { count, written } = series;
    try {
      await this.#request(series);
      series.written = count;
      series.failures = 0;
      // The second event of a series is written at once: only then is it known as one.
      series.due = this.#clock.now() + (count === 1 ? 0 : SERIES_INTERVAL);
    } catch (error) {
      const gone = error instanceof ApiError && error.status === 404 && written > 0;
      const passing = !(error instanceof ApiError) || error.status === 429 || error.status >= 500;
      // Events live for an hour: a series may outlive what was written of it.
      if (gone) series.written = 0;
      if ((gone || passing) && ++series.failures < ATTEMPTS && !this.#stopping.signal.aborted) {
        series.due = this.#clock.now() + 1_000 * 2 ** (series.failures - 1);
        this.#waiting.add(series);
        return;
      }
      this.#options.logger.debug({ event: series.body, error: String(error) }, 'an event was not written');
      this.#drop('refused', count - written);
      series.written = count;
      series.due = this.#clock.now() + SERIES_INTERVAL;
    }
  }

  async #request(series: Series): Promise<void> {
    const { name, namespace, body, count, lastObserved, written } = series;
    const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
    const part = count > 1 ? { series: { count, lastObservedTime: lastObserved } } : {};
    const timeout = REQUEST_TIMEOUT;
    if (written > 0) {
      await this.#options.client.request('PATCH', `${path}/${name}`, {
        contentType: MERGE_PATCH,
        body: part,
        timeout,
      });
      return;
    }
    try {
      await this.#options.client.request('POST', path, { body: { ...body, ...part }, timeout });
    } catch (error) {
      // Made by an earlier try, whose answer got lost.
      if (!(error instanceof ApiError) || error.status !== 409) throw error;
    }
  }

  #drop(why: DropReason, count: number): void {
    if (count > 0) this.#options.onDropped?.(why, count);
  }
}

/** The text in at most so many bytes of UTF-8. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const ellipsis = '…';
  const room = bytes - Buffer.byteLength(ellipsis);
  // A character that was cut through becomes U+FFFD.
  return (
    Buffer.from(text)
      .subarray(0, room)
      .toString('utf8')
      .replace(/\uFFFD+$/, '') + ellipsis
  );
}
