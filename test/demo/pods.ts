import type { Cluster } from '../cluster/cluster.ts';

/** A pod as far as it tells whether it is still the same one, never restarted. */
export interface PodState {
  name: string;
  uid: string;
  restarts: number;
  injected: boolean;
}

interface PodList {
  items: {
    metadata: { name: string; uid: string; labels?: Record<string, string>; deletionTimestamp?: string };
    status: { phase: string; containerStatuses?: { restartCount: number }[] };
  }[];
}

/** The pods of some apps of a namespace, by name; not those on their way out. */
export async function podStates(cluster: Cluster, namespace: string, apps: string[]): Promise<PodState[]> {
  const selector = `app.kubernetes.io/name in (${apps.join(',')})`;
  const args = ['--namespace', namespace, 'get', 'pods', '--selector', selector, '--output', 'json'];
  const { items } = JSON.parse(await cluster.run('kubectl', args)) as PodList;
  return items
    .filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase === 'Running')
    .map(({ metadata, status }) => ({
      name: metadata.name,
      uid: metadata.uid,
      restarts: (status.containerStatuses ?? []).reduce((sum, container) => sum + container.restartCount, 0),
      injected: metadata.labels?.['tracing.acme/injected'] === 'true',
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** What happened to pods between two looks at them, in words; an empty list when they are the same, never restarted. */
export function podChanges(before: readonly PodState[], after: readonly PodState[]): string[] {
  const later = new Map(after.map((pod) => [pod.uid, pod]));
  const earlier = new Set(before.map((pod) => pod.uid));
  return [
    ...before.flatMap((pod) => {
      const now = later.get(pod.uid);
      if (now === undefined) return [`${pod.name} is gone`];
      if (now.restarts > pod.restarts) return [`${pod.name} restarted (${now.restarts - pod.restarts})`];
      return [];
    }),
    ...after.filter((pod) => !earlier.has(pod.uid)).map((pod) => `${pod.name} is new`),
  ];
}
