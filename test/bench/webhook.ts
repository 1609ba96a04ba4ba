// What a review costs, beside opentelemetry-operator. `--help` says more.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Cluster } from '../cluster/cluster.ts';
import { buildOwnImages, loadImages } from '../demo/prepare.ts';
import { onOwnCluster, runThere } from './own-cluster.ts';
import { peerFolder, PEER_VERSION } from './webhook/peer.ts';

const HELP = `Measures the webhook beside that of opentelemetry-operator ${PEER_VERSION}, which is built from its Go module: processor time
of a review, reviews a second, latency with 1, 8 and 32 requests in flight, memory, for pods of 4, 16 and 200 KB. Both are
processes on the same single processor, sent the same reviews in turns by a client on another, with their caches filled from
a real API server. Then pods are made at that API server, with neither webhook, ours and theirs in turns.
Adds webhook.* to test/bench/results.json. The cluster is one of its own and is removed at the end. Needs two processors, and
Go for the peer.

Usage:
  node test/bench/webhook.ts [options]

Options:
  --rounds N   (3) turns of each
  --seconds N  (2) of each turn
  --pods N     (200) made of each kind
  --keep       leave the cluster up; TRACING_CLUSTER_PURPOSE=webhook node test/cluster/cli.ts down removes it

Examples:
  node test/bench/webhook.ts
  node test/bench/webhook.ts --rounds 1 --seconds 1 --pods 20 --keep
`;

const DEFAULTS = { rounds: '3', seconds: '2', pods: '200' };
/** The client is not to take time from what it measures. */
const CLIENT_PROCESSOR = '0';

async function measure(cluster: Cluster, settings: typeof DEFAULTS, signal: AbortSignal): Promise<void> {
  await peerFolder();
  await cluster.up();
  const images = await buildOwnImages();
  await loadImages(cluster, images);
  const program = join(import.meta.dirname, 'webhook/measure.ts');
  await runThere(cluster, ['taskset', '--cpu-list', CLIENT_PROCESSOR, process.execPath, program], {
    settings,
    env: { TRACING_TEST_IMAGES: JSON.stringify(images) },
    signal,
  });
}

const text = (value: string) => ({ type: 'string', default: value }) as const;
const { values } = parseArgs({
  options: {
    rounds: text(DEFAULTS.rounds),
    seconds: text(DEFAULTS.seconds),
    pods: text(DEFAULTS.pods),
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
} else {
  const { keep, help: _help, ...settings } = values;
  await onOwnCluster({ purpose: 'webhook', keep }, (cluster, signal) => measure(cluster, settings, signal));
}
