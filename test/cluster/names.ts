import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';

/** Everything on the machine that belongs to one checkout's cluster, by name. */
export interface Names {
  /** Eight hexadecimal digits of the checkout's real path. */
  readonly id: string;
  readonly checkout: string;
  /** Network namespace, kind cluster and cgroup all carry this name. */
  readonly cluster: string;
  /** Holds all of the cluster's files. On disk, not in /run: containers and their images live here as well. */
  readonly runDir: string;
  readonly kubeconfig: string;
}

/**
 * The names of the cluster that belongs to the checkout at `path`: equal for every way to spell the path. A checkout has
 * a cluster for each `purpose`, so that its tests do not disturb its demo.
 */
export function namesFor(path: string, runRoot = '/var/tmp', purpose = ''): Names {
  const checkout = realpathSync(path);
  const id = createHash('sha256').update(checkout).digest('hex').slice(0, 8);
  const cluster = purpose === '' ? `tracing-${id}` : `tracing-${id}-${purpose}`;
  const runDir = join(runRoot, cluster);
  return { id, checkout, cluster, runDir, kubeconfig: join(runDir, 'pki', 'admin.kubeconfig') };
}
