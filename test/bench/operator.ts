// What the operator costs in a cluster of a thousand namespaces, and how fast it acts there. `--help` says more.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Cluster } from '../cluster/cluster.ts';
import { step } from '../cluster/progress.ts';
import { installOperator } from '../demo/deploy.ts';
import { buildOwnImages, loadImages } from '../demo/prepare.ts';
import { onOwnCluster, runThere } from './own-cluster.ts';

const HELP = `Measures one replica of the operator, installed from the chart, on a real API server with thousands of objects: memory,
start-up, a change that concerns every namespace and every traced pod, and what it costs at rest. Beside each figure, in
the same run: the same operator in the empty cluster, or the bare writes that a change needs. The pods are objects that
nobody schedules, with the metadata and the status of running ones; four fifths of them are traced.
Adds operator.* to test/bench/results.json. The cluster is one of its own and is removed at the end.

Usage:
  node test/bench/operator.ts [options]

Options:
  --namespaces N  (1000)
  --pods N        (10000)
  --policies N    (500); ten of them are ClusterTracingPolicies
  --starts N      (3) how often the operator is started on that
  --rest SECONDS  (60) how long it is watched doing nothing
  --keep          leave the cluster up; TRACING_CLUSTER_PURPOSE=scale node test/cluster/cli.ts down removes it

Examples:
  node test/bench/operator.ts
  node test/bench/operator.ts --namespaces 100 --pods 1000 --policies 50 --keep
`;

const DEFAULTS = { namespaces: '1000', pods: '10000', policies: '500', starts: '3', rest: '60' };

async function measure(cluster: Cluster, settings: typeof DEFAULTS, signal: AbortSignal): Promise<void> {
  await cluster.up();
  const images = await buildOwnImages();
  await loadImages(cluster, images);
  await step('installing the operator', { usually: '10 s' }, () => installOperator(cluster, images));
  const program = join(import.meta.dirname, 'operator/measure.ts');
  await runThere(cluster, [process.execPath, program], { settings, signal });
}

const text = (value: string) => ({ type: 'string', default: value }) as const;
const { values } = parseArgs({
  options: {
    namespaces: text(DEFAULTS.namespaces),
    pods: text(DEFAULTS.pods),
    policies: text(DEFAULTS.policies),
    starts: text(DEFAULTS.starts),
    rest: text(DEFAULTS.rest),
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
} else {
  const { keep, help: _help, ...settings } = values;
  await onOwnCluster({ purpose: 'scale', keep }, (cluster, signal) => measure(cluster, settings, signal));
}
