import type { KubeClient } from '../operator/kube/client.ts';

/** Clocks that are nearer to each other than this count as one, milliseconds: answers say the time to the second. */
export const NEAR = 3_000;

/**
 * By how many milliseconds the API server's clock is ahead of this machine's, as its answers say; 0 where they do not. Overrides end
 * by a clock of the cluster, and people's machines are not always right.
 */
export async function clockOffset(client: Pick<KubeClient, 'stream'>): Promise<number> {
  try {
    const response = await client.stream('/version', { signal: AbortSignal.timeout(5_000) });
    response.resume();
    const offset = Date.parse(response.headers.date ?? '') - Date.now();
    return Math.abs(offset) > NEAR ? offset : 0;
  } catch {
    // Who may not ask for it goes by the clock that there is.
    return 0;
  }
}
