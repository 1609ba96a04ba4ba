import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { microTime, systemClock } from '../clock.ts';
import { ApiError, APPLY } from '../kube/client.ts';
import type { KubeClient, RequestOptions } from '../kube/client.ts';
import type { OwnerReference } from '../installation.ts';
import { givenTo } from '../installation.ts';
import type { Part } from '../manager.ts';
import { OWNED } from '../owned.ts';

/** Field manager of renewals. */
const FIELD_MANAGER = 'tracing-operator-leader';
/** A release is a courtesy to the others: it must not hold up the end of the process. */
const RELEASE_LIMIT = 2_000;

export interface Lease {
  metadata: {
    name: string;
    namespace: string;
    resourceVersion: string;
    managedFields?: unknown;
    ownerReferences?: { uid: string }[];
  };
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface LeaderElectorOptions {
  client: Pick<KubeClient, 'request'>;
  /** Namespace and name of the Lease. */
  namespace: string;
  lease: string;
  /** Of the Lease. */
  owners: () => OwnerReference[];
  /** Says who holds the Lease. No two processes may ever have the same one. */
  identity: string;
  logger: Logger;
  /** Leading begins. The signal is aborted the moment it ends. */
  onStartedLeading: (signal: AbortSignal) => void;
  /**
   * Leading has ended: because of `stop`, or because the Lease could not be renewed in time or is another's. The Lease
   * is not given up before this resolves.
   */
  onStoppedLeading: (why: 'stopping' | 'lost') => Promise<void> | void;
  /** For the metric. */
  onLeading?: (leading: boolean) => void;
  /** Milliseconds without a change of the Lease after which others may take it. */
  leaseDuration?: number;
  /** Milliseconds after the last renewal in which the leader must have renewed, or stops. */
  renewDeadline?: number;
  /** Milliseconds between tries, give or take a fifth while following. */
  retryPeriod?: number;
  clock?: Clock;
  random?: () => number;
}

/** Refuses what only the leader may do. */
export class NotLeadingError extends Error {
  override name = 'NotLeadingError';
}

/**
 * Elects one leader among the replicas by a Lease, with client-go's rules and timing. A follower takes the Lease when
 * its record has not changed for the whole lease duration by the follower's own clock; what clocks of other machines
 * wrote into it is never compared with ours. The leader counts from before it sent its last good renewal and stops five
 * seconds before anybody may follow it. Every write carries the resourceVersion it is based on.
 *
 * Once leadership is lost the elector has ended: the process is expected to.
 */
export class LeaderElector implements Part {
  readonly name = 'leader election';
  readonly #options: LeaderElectorOptions;
  readonly #timing: { lease: number; deadline: number; retry: number };
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #stopping = new AbortController();
  /** The Lease as last read or written. */
  #lease: Lease | undefined;
  /** The record that was last seen to be new, and when that was. */
  #observed = { record: '', at: 0 };
  #term: AbortController | undefined;
  #leadsUntil = -Infinity;
  #failing = false;
  #running: Promise<void> | undefined;

  constructor(options: LeaderElectorOptions) {
    const { leaseDuration = 15_000, renewDeadline = 10_000, retryPeriod = 2_000 } = options;
    if (leaseDuration <= renewDeadline || renewDeadline <= retryPeriod * 1.2)
      throw new Error('leader election needs leaseDuration > renewDeadline > 1.2 * retryPeriod');
    this.#options = options;
    this.#timing = { lease: leaseDuration, deadline: renewDeadline, retry: retryPeriod };
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  /**
   * Whether this process may act as the leader now. Asks the clock each time: after a process was frozen, timers that
   * should have told it come later than the work it was in the middle of.
   */
  get isLeader(): boolean {
    return this.#term !== undefined && !this.#term.signal.aborted && this.#clock.now() < this.#leadsUntil;
  }

  /** @throws NotLeadingError */
  assertLeading(): void {
    if (!this.isLeader) throw new NotLeadingError('this replica does not lead: another may have taken over');
  }

  /** Begins to follow, and to lead when it can. Does not wait for that: a follower is as ready as a leader. */
  start(): void {
    this.#options.onLeading?.(false);
    this.#running ??= this.#run();
  }

  /** Ends leading, then gives the Lease up, so that another leads at once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    await this.#follow();
    if (this.#holds && !this.#stopping.signal.aborted) await this.#lead();
    if (this.#holds) await this.#release();
  }

  get #holds(): boolean {
    return this.#lease?.spec?.holderIdentity === this.#options.identity;
  }

  /** Returns when the Lease is ours, or on `stop`. */
  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      if ((await this.#try(this.#timing.deadline / 2)) === 'held') return;
      const pause = this.#timing.retry * (0.8 + 0.4 * this.#random());
      const untilFree = this.#lease ? this.#expiry(this.#lease) - this.#clock.now() : Infinity;
      await this.#clock.sleep(untilFree > 0 ? Math.min(pause, untilFree) : pause, signal);
    }
  }

  async #lead(): Promise<void> {
    const { identity, logger, onLeading, onStartedLeading, onStoppedLeading } = this.#options;
    const term = (this.#term = new AbortController());
    logger.info({ identity }, 'leading');
    onLeading?.(true);
    onStartedLeading(term.signal);
    const why = await this.#renew();
    term.abort();
    onLeading?.(false);
    logger[why === 'lost' ? 'error' : 'info']({ identity, why }, 'no longer leading');
    try {
      await onStoppedLeading(why);
    } catch (error) {
      logger.error({ error: String(error) }, 'what only the leader does did not stop cleanly');
    }
  }

  /** Renews the Lease until it cannot, or until `stop`. No wait in here goes beyond the time that is left. */
  async #renew(): Promise<'stopping' | 'lost'> {
    const { signal } = this.#stopping;
    const left = () => this.#leadsUntil - this.#clock.now();
    for (;;) {
      await this.#clock.sleep(Math.min(this.#timing.retry, left()), signal);
      if (signal.aborted) return 'stopping';
      if (left() <= 0) return 'lost';
      const outcome = await this.#try(Math.min(this.#timing.deadline / 2, left()));
      if (outcome === 'other' || left() <= 0) return 'lost';
    }
  }

  /** Takes or renews the Lease where that is allowed. `other`: somebody else holds it. `failed`: neither is known. */
  async #try(limit: number): Promise<'held' | 'other' | 'failed'> {
    const { logger, lease } = this.#options;
    try {
      const outcome = await this.#within(limit, (send) => this.#takeOrRenew(send));
      if (this.#failing) logger.info({ lease }, 'the Lease is answered for again');
      this.#failing = false;
      return outcome;
    } catch (error) {
      // Another was faster: the next try reads who.
      if (isStatus(error, 409)) return 'failed';
      logger[this.#failing ? 'debug' : 'warn']({ lease, error: String(error) }, 'the Lease was not answered for');
      this.#failing = true;
      return 'failed';
    }
  }

  async #takeOrRenew(send: Send): Promise<'held' | 'other'> {
    if (this.#holds && (await this.#renewed(send))) return 'held';
    const lease = await this.#read(send);
    const holder = lease?.spec?.holderIdentity;
    const others = holder !== undefined && holder !== '' && holder !== this.#options.identity;
    if (others && this.#clock.now() < this.#expiry(lease!)) return 'other';
    if (lease) await this.#write(send, lease);
    else await this.#create(send);
    return 'held';
  }

  /** Renews from what was last read or written: one request. False where somebody else changed or removed the Lease. */
  async #renewed(send: Send): Promise<boolean> {
    try {
      await this.#write(send, this.#lease!);
      return true;
    } catch (error) {
      if (isStatus(error, 404, 409)) return false;
      throw error;
    }
  }

  async #read(send: Send): Promise<Lease | undefined> {
    try {
      return this.#seen(await send('GET', this.#path));
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
      this.#lease = undefined;
      return undefined;
    }
  }

  async #write(send: Send, lease: Lease): Promise<void> {
    const { identity } = this.#options;
    const { holderIdentity, acquireTime, leaseTransitions = 0 } = lease.spec ?? {};
    const now = microTime(this.#clock.date());
    const kept = holderIdentity === identity;
    const spec = {
      ...lease.spec,
      ...this.#record(now),
      acquireTime: kept && acquireTime ? acquireTime : now,
      leaseTransitions: kept ? leaseTransitions : leaseTransitions + 1,
    };
    const sent = this.#clock.now();
    this.#seen(await this.#put(send, lease, spec));
    this.#leadsUntil = sent + this.#timing.deadline;
  }

  /**
   * By server-side apply: the API server then checks the right to create under this name alone, where a POST would need
   * the right to create any Lease. A field manager of our own makes it fail if another has created it meanwhile.
   */
  async #create(send: Send): Promise<void> {
    const { namespace, lease, identity, owners } = this.#options;
    const now = microTime(this.#clock.date());
    const sent = this.#clock.now();
    const made = await send('PATCH', this.#path, {
      query: { fieldManager: `tracing-operator-${identity}`.slice(0, 128), force: false },
      contentType: APPLY,
      body: {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: lease, namespace, labels: OWNED, ownerReferences: owners() },
        spec: { ...this.#record(now), acquireTime: now, leaseTransitions: 0 },
      },
    });
    this.#seen(made);
    this.#leadsUntil = sent + this.#timing.deadline;
  }

  async #release(): Promise<void> {
    const now = microTime(this.#clock.date());
    try {
      await this.#within(RELEASE_LIMIT, async (send) => {
        const emptied = { holderIdentity: '', leaseDurationSeconds: 1, renewTime: now };
        try {
          await this.#put(send, this.#lease!, { ...this.#lease!.spec, ...emptied });
        } catch (error) {
          if (!isStatus(error, 409)) throw error;
          const lease = await this.#read(send);
          if (this.#holds) await this.#put(send, lease!, { ...lease!.spec, ...emptied });
        }
      });
      this.#options.logger.info({ lease: this.#options.lease }, 'gave the Lease up');
    } catch (error) {
      this.#options.logger.warn({ error: String(error) }, 'the Lease could not be given up: others wait for its end');
    }
  }

  #put(send: Send, lease: Lease, spec: Lease['spec']): Promise<Lease> {
    const { managedFields: _, ...metadata } = lease.metadata;
    return send('PUT', this.#path, {
      query: { fieldManager: FIELD_MANAGER },
      body: {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: givenTo(metadata, this.#options.owners()),
        spec,
      },
    });
  }

  #record(renewTime: string): NonNullable<Lease['spec']> {
    const { identity } = this.#options;
    return { holderIdentity: identity, leaseDurationSeconds: Math.ceil(this.#timing.lease / 1000), renewTime };
  }

  #seen(lease: Lease): Lease {
    this.#lease = lease;
    const record = JSON.stringify(lease.spec ?? {});
    if (record !== this.#observed.record) this.#observed = { record, at: this.#clock.now() };
    return lease;
  }

  /** When the Lease may be taken, on our clock: as long after its last change as its holder asked for. */
  #expiry({ spec }: Lease): number {
    const seconds = spec?.leaseDurationSeconds;
    return this.#observed.at + (seconds === undefined ? this.#timing.lease : seconds * 1000);
  }

  get #path(): string {
    const { namespace, lease } = this.#options;
    return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${lease}`;
  }

  /** Gives up on work that takes longer than `limit`, even where the client does not. */
  async #within<T>(limit: number, work: (send: Send) => Promise<T>): Promise<T> {
    const over = new AbortController();
    const done = new AbortController();
    const givenUp = new Promise<never>((_resolve, reject) => {
      over.signal.addEventListener('abort', () => reject(new Error(`nothing within ${Math.round(limit)} ms`)));
    });
    void this.#clock.sleep(limit, done.signal).then(() => over.abort());
    const send: Send = (method, path, options) =>
      this.#options.client.request<Lease>(method, path, { ...options, signal: over.signal });
    try {
      return await Promise.race([work(send), givenUp]);
    } finally {
      done.abort();
    }
  }
}

/** Makes a request to the API server, within the time that the try it belongs to has. */
type Send = (method: string, path: string, options?: RequestOptions) => Promise<Lease>;

function isStatus(error: unknown, ...statuses: number[]): boolean {
  return error instanceof ApiError && statuses.includes(error.status);
}
