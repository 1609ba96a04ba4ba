import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { run, succeeds } from './command.ts';
import type { Names } from './names.ts';
import { announce, step } from './progress.ts';

/**
 * The cluster by kind (the Go tool sigs.k8s.io/kind), in Docker. UNTESTED: written on a machine without a Docker daemon.
 * Its kubeconfig is a file of our own, so the user's own is neither read nor changed.
 */
const NODE_IMAGE = 'kindest/node:v1.34.3';

/** Creates the kind cluster unless it is there and answers. */
export async function startKindCluster(names: Names, kubectl: string): Promise<'started' | 'reused'> {
  const there = await kindExists(names);
  if (there) {
    mkdirSync(dirname(names.kubeconfig), { recursive: true, mode: 0o700 });
    await run('kind', ['export', 'kubeconfig', '--name', names.cluster, '--kubeconfig', names.kubeconfig]);
    const ask = ['--kubeconfig', names.kubeconfig, '--request-timeout=10s', 'get', '--raw', '/readyz'];
    if (await succeeds(kubectl, ask)) return 'reused';
    await step('removing a kind cluster that does not answer', {}, () => deleteCluster(names));
  }
  mkdirSync(dirname(names.kubeconfig), { recursive: true, mode: 0o700 });
  const args = ['create', 'cluster', '--name', names.cluster, '--kubeconfig', names.kubeconfig, '--image', NODE_IMAGE];
  const title = `creating the kind cluster ${names.cluster}`;
  await step(title, { usually: '1 min, longer when its node image has to be pulled' }, () =>
    run('kind', [...args, '--wait', '3m']),
  );
  return 'started';
}

/** Deletes the kind cluster of this checkout and its kubeconfig. */
export async function removeKindCluster(names: Names): Promise<void> {
  if (await kindExists(names)) await step(`deleting the kind cluster ${names.cluster}`, {}, () => deleteCluster(names));
  else announce('There is no cluster of this checkout.');
  rmSync(names.runDir, { recursive: true, force: true });
}

/** Whether there is a kind cluster of this checkout. */
export async function kindExists(names: Names): Promise<boolean> {
  return (await run('kind', ['get', 'clusters'])).split('\n').includes(names.cluster);
}

/** Loads an image archive into every node. */
export async function loadIntoKind(names: Names, archive: string): Promise<void> {
  await run('kind', ['load', 'image-archive', archive, '--name', names.cluster]);
}

async function deleteCluster(names: Names): Promise<void> {
  await run('kind', ['delete', 'cluster', '--name', names.cluster, '--kubeconfig', names.kubeconfig]);
}
