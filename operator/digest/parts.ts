import type { KubeClient } from '../kube/client.ts';
import { isWatchedClosely } from '../../injector/override.ts';
import { WorkQueue } from '../kube/workqueue.ts';
import type { QueueOptions } from '../kube/workqueue.ts';
import type { ClusterView } from '../policy/cluster-view.ts';
import type { KeptReport } from '../reports/report.ts';
import { DigestController } from './controller.ts';

/** Namespaces whose reports are written down for people. */
const PACE = { burst: 20, perSecond: 2 };
const SETTLE = 5_000;
/** Where somebody waits for it. */
const WATCHED_SETTLE = 500;
/** Namespaces in which numbers that run are written again, each minute: however many there are, it costs no more. */
const NUMBERS_A_MINUTE = 30;

export interface Digests {
  /** Reports of a namespace have changed. */
  changed(namespace: string): void;
  /** Looks whether there is news in a namespace. */
  look(namespace: string): void;
  /** What comes by the clock. */
  everyMinute(): void;
  queues: WorkQueue[];
}

interface Options {
  reports: (podUid: string) => KeptReport[];
  queue: (name: string) => QueueOptions;
}

/** Everything that writes down for people what agents report. */
export function digests(leading: KubeClient, view: ClusterView, { reports, queue }: Options): Digests {
  const isWatched = (name: string) => isWatchedClosely(view.policies(name), name);
  const controller = new DigestController(leading, view, {
    reports,
    now: Date.now,
    onNews: (name) => writing.add(name),
    isWatched,
  });
  const writing = new WorkQueue((name, signal) => controller.write(name, signal), { pace: PACE, ...queue('digest') });
  const looking = new WorkQueue((name) => Promise.resolve(controller.look(name)), queue('digest-news'));
  return {
    changed: (name) => looking.addAfter(name, isWatched(name) ? WATCHED_SETTLE : SETTLE),
    look: (name) => looking.add(name),
    everyMinute() {
      for (const name of controller.known()) looking.add(name);
      for (const name of controller.due(NUMBERS_A_MINUTE)) writing.add(name);
    },
    queues: [writing, looking],
  };
}
