import type { Cluster } from '../cluster/cluster.ts';

interface PodList {
  items: {
    metadata: { name: string; namespace: string };
    status: { phase: string; conditions?: { type: string; status: string }[] };
  }[];
}

const LINES = 20;
const WORST = 2;

/** What the cluster itself says about pods that are not ready: the end of their description and of their log. */
export async function diagnose(cluster: Cluster, namespaces: readonly string[]): Promise<string> {
  const kubectl = (...args: string[]) => cluster.run('kubectl', args, { tolerant: true });
  const parts: string[] = [];
  for (const namespace of namespaces) {
    const answer = await kubectl('--namespace', namespace, 'get', 'pods', '--output', 'json');
    const { items } = JSON.parse(answer || '{"items": []}') as PodList;
    for (const { metadata } of items.filter((pod) => !isReady(pod)).slice(0, WORST)) {
      const named = ['--namespace', namespace, metadata.name];
      const [description, log] = await Promise.all([
        kubectl('describe', 'pod', ...named),
        kubectl('logs', ...named, '--all-containers', '--prefix', `--tail=${LINES}`),
      ]);
      parts.push(`${namespace}/${metadata.name} is not ready; kubectl describe ends with`, lastLines(description));
      if (log.trim() !== '') parts.push('and its log with', lastLines(log));
    }
  }
  return parts.join('\n');
}

/** The end of a Deployment's log. */
export async function logTail(cluster: Cluster, namespace: string, deployment: string): Promise<string> {
  const args = ['--namespace', namespace, 'logs', `deployment/${deployment}`, '--all-containers', `--tail=${LINES}`];
  return lastLines(await cluster.run('kubectl', args, { tolerant: true }));
}

function isReady({ status }: PodList['items'][number]): boolean {
  return (
    status.phase === 'Succeeded' ||
    (status.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True')
  );
}

function lastLines(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .slice(-LINES)
    .map((line) => `    ${line}`)
    .join('\n');
}
