import type { KubeClient } from '../../operator/kube/client.ts';
import { ApiError } from '../../operator/kube/client.ts';
import type { LivePod } from './facts.ts';
import { statusOf } from './pods.ts';

/** A process that is not traced says why in one line, when it starts. */
const LINE = /^tracing-operator: (not tracing this process: .*)$/m;
/** Of the beginning of a log. */
const READ = 65_536;

/**
 * Why processes of a pod are not traced, in the agent's own words on their standard error: one that steps aside at once, as in a
 * Node.js that is too old, does not report. Undefined where it says nothing, or logs may not be read.
 */
export async function spokenBy(client: KubeClient, namespace: string, pod: LivePod): Promise<string | undefined> {
  for (const container of statusOf(pod.metadata.annotations ?? {})?.injected ?? []) {
    const path = `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}/log`;
    try {
      const response = await client.stream(path, { accept: '*/*', query: { container, limitBytes: READ } });
      response.setEncoding('utf8');
      let text = '';
      for await (const part of response) text += part as string;
      const line = LINE.exec(text)?.[1];
      if (line !== undefined) return `${container} says: ${line}`;
    } catch (error) {
      // Not started yet, gone, or nothing for everybody's eyes: what is said here is only more than else.
      if (!(error instanceof ApiError)) throw error;
    }
  }
  return undefined;
}
