import type { Logger } from 'pino';
import { CONTROLLER } from '../events/recorder.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/reflector.ts';
import { Reflector } from '../kube/reflector.ts';
import type { EventState } from './state.ts';

interface Event extends KubeObject {
  type?: string;
  reason?: string;
  note?: string;
  eventTime?: string;
  series?: { count?: number; lastObservedTime?: string };
  regarding?: { kind?: string; name?: string };
}

/** Events of a namespace that are shown. */
const SHOWN = 20;
/** Characters of a note. */
const NOTE = 1_024;

/** What all replicas of the operator have told people lately: as long as the API server keeps it, an hour as a rule. */
export class RecentEvents {
  readonly #reflector: Reflector<Event>;
  readonly #namespaces = new Map<string, Set<Event>>();

  constructor(client: KubeClient, logger: Logger) {
    this.#reflector = new Reflector<Event>({
      client,
      logger,
      path: '/apis/events.k8s.io/v1/events',
      fieldSelector: `reportingController=${CONTROLLER}`,
      prune: ({ metadata, type, reason, note, eventTime, series, regarding }) => ({
        metadata: {
          name: metadata.name,
          namespace: metadata.namespace!,
          resourceVersion: metadata.resourceVersion,
        },
        ...(type && { type }),
        ...(reason && { reason }),
        ...(note && { note: note.slice(0, NOTE) }),
        ...(eventTime && { eventTime }),
        ...(series && { series }),
        ...(regarding && { regarding: { kind: regarding.kind ?? '', name: regarding.name ?? '' } }),
      }),
      onChange: (event, previous, deleted) => this.#put(event, previous, deleted),
    });
  }

  start(): void {
    this.#reflector.start();
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
  }

  /** Those about a workload or its pods first, of each the newest first. */
  of(namespace: string, kind: string, name: string): EventState[] {
    const isOwn = ({ regarding }: Event) =>
      regarding?.name === name
        ? regarding.kind === kind
        : regarding?.kind === 'Pod' && regarding.name?.startsWith(`${name}-`) === true;
    return [...(this.#namespaces.get(namespace) ?? [])]
      .map((event) => ({ own: isOwn(event), shown: shown(event) }))
      .sort((a, b) => Number(b.own) - Number(a.own) || (a.shown.at < b.shown.at ? 1 : -1))
      .slice(0, SHOWN)
      .map((each) => each.shown);
  }

  #put(event: Event, previous: Event | undefined, deleted: boolean): void {
    const namespace = event.metadata.namespace!;
    const events = this.#namespaces.get(namespace) ?? new Set<Event>();
    if (previous) events.delete(previous);
    if (!deleted) events.add(event);
    if (events.size > 0) this.#namespaces.set(namespace, events);
    else this.#namespaces.delete(namespace);
  }
}

function shown({ type = 'Normal', reason = '', note = '', eventTime = '', series, regarding }: Event): EventState {
  return {
    at: series?.lastObservedTime ?? eventTime,
    type,
    reason,
    note,
    about: `${regarding?.kind ?? ''} ${regarding?.name ?? ''}`,
    count: series?.count ?? 1,
  };
}
