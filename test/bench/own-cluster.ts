import { spawn } from 'node:child_process';
import { openCluster } from '../cluster/cluster.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { announce } from '../cluster/progress.ts';

/**
 * Does the work on a cluster beside the demo's and the tests', neither of which it disturbs, and removes it, also where
 * somebody interrupts: `signal` then tells the work so. What fails is said, and is the process' exit code.
 */
export async function onOwnCluster(
  { purpose, keep }: { purpose: string; keep: boolean },
  work: (cluster: Cluster, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  process.env['TRACING_CLUSTER_PURPOSE'] = purpose;
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => interrupted.abort(new Error(signal)));
  const cluster = await openCluster();
  try {
    announce(cluster.why);
    await work(cluster, interrupted.signal);
  } catch (error) {
    announce(String(interrupted.signal.reason ?? error));
    process.exitCode = 1;
  } finally {
    if (!keep) await cluster.down();
  }
}

/** Runs a program where the cluster's addresses can be reached. Throws where it fails. */
export async function runThere(
  cluster: Cluster,
  [command, ...args]: [string, ...string[]],
  { settings, env, signal }: { settings: Record<string, string>; env?: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<void> {
  const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(...cluster.wrap(command, [...args, ...options]), {
    env: { ...cluster.environment(), ...env },
    stdio: 'inherit',
    signal,
  });
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('exit', resolve));
  if (code !== 0) throw new Error(`${args.at(-1)} ended with ${code}`);
}
