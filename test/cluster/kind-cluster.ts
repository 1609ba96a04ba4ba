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

/** Runs `work` while there is no API server: without its manifest the kubelet does not start it again. */
export async function withoutKindApiServer<T>(names: Names, work: () => Promise<T>): Promise<T> {
  const [manifest, aside] = ['/etc/kubernetes/manifests/kube-apiserver.yaml', '/root/kube-apiserver.yaml'];
  const running = "crictl ps --quiet --name '^kube-apiserver$'";
  const stop = `for id in $(${running}); do crictl stop --timeout 0 "$id"; done`;
  await inKindNode(names, `mv ${manifest} ${aside}; while [ -n "$(${running})" ]; do ${stop}; sleep 1; done`);
  try {
    return await work();
  } finally {
    await inKindNode(names, `mv ${aside} ${manifest}`);
  }
}

/** Kills the process of a container, of which the kubelet knows nothing before. */
export async function killKindContainer(names: Names, id: string): Promise<void> {
  await inKindNode(names, `ctr --namespace k8s.io tasks kill --signal SIGKILL ${id}`);
}

async function inKindNode(names: Names, script: string): Promise<void> {
  await run('docker', ['exec', `${names.cluster}-control-plane`, 'sh', '-euc', script]);
}

async function deleteCluster(names: Names): Promise<void> {
  await run('kind', ['delete', 'cluster', '--name', names.cluster, '--kubeconfig', names.kubeconfig]);
}
