import { spawn } from 'node:child_process';
import type { Cluster } from '../cluster/cluster.ts';

/** A port of this machine (of the cluster's network namespace, where it has one) that leads to a Service. */
export interface Forward {
  url: string;
  stop(): void;
}

/** Runs `kubectl port-forward` until it is stopped; on any free port of 127.0.0.1. */
export async function forward(
  cluster: Cluster,
  { namespace, service, port }: { namespace: string; service: string; port: number },
): Promise<Forward> {
  const target = ['--namespace', namespace, 'port-forward', '--address', '127.0.0.1', `service/${service}`, `:${port}`];
  const child = spawn(...cluster.wrap('kubectl', target), {
    env: cluster.environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = () => {
    process.off('exit', stop);
    child.kill();
  };
  process.once('exit', stop);
  let output = '';
  try {
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer within 20 s')), 20_000);
      const read = (text: string) => {
        output = (output + text).slice(-4_000);
        const local = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(output)?.[1];
        if (local === undefined) return;
        clearTimeout(timer);
        resolve(`http://127.0.0.1:${local}`);
      };
      child.stdout.setEncoding('utf8').on('data', read);
      child.stderr.setEncoding('utf8').on('data', read);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`kubectl ended with ${code}`)));
    });
    return { url, stop };
  } catch (error) {
    stop();
    throw new Error(`cannot forward a port to ${namespace}/${service}: ${output}`, { cause: error });
  }
}
