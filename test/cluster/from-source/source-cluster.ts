import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeImageArchive } from '../image-archive.ts';
import { run, succeeds } from '../command.ts';
import type { Names } from '../names.ts';
import { CLUSTER_NEEDS, ensurePackages } from '../packages.ts';
import { normalizeReference } from '../reference.ts';
import { announce, step, until } from '../progress.ts';
import { buildBinaries, type Binaries } from './binaries.ts';
import { writeCertificates } from './certificates.ts';
import { makeCgroup } from './cgroups.ts';
import { CLIENTS, firstComponents, HOLDERS, nextComponents } from './components.ts';
import { findNode, networkNamespace, startComponent, startNode } from './node.ts';
import { hasRemains, kill, processesInNetwork, removeCluster } from './removal.ts';
import * as settings from './settings.ts';

const START_TIMEOUT_MS = 120_000;

/** A command as it has to be spawned to run in the cluster's network namespace. Not `ip netns exec`: that hides control groups. */
export function inNetwork(names: Names, command: string, args: readonly string[]): [string, string[]] {
  return ['nsenter', [`--net=${networkNamespace(names)}`, command, ...args]];
}

/** Starts the cluster unless it is up and healthy. What a crashed run left is removed first. */
export async function startSourceCluster(names: Names, kubectl: string): Promise<'started' | 'reused'> {
  requireRoot();
  if (await isHealthy(names, kubectl)) return 'reused';
  await ensurePackages(CLUSTER_NEEDS);
  const binaries = await buildBinaries();
  if (hasRemains(names)) await step('removing what an earlier run left behind', {}, () => removeCluster(names));
  const title = `starting Kubernetes in the network namespace ${names.cluster}`;
  await step(title, { usually: '10 s' }, () => start(names, binaries, kubectl));
  return 'started';
}

/** Whether the API server answers, and kubelet through it. */
export async function isHealthy(names: Names, kubectl: string): Promise<boolean> {
  if (findNode(names) === undefined) return false;
  const kubelet = `/api/v1/nodes/${settings.NODE_NAME}/proxy/healthz`;
  return succeeds(
    ...inNetwork(names, kubectl, ['--kubeconfig', names.kubeconfig, '--request-timeout=5s', 'get', '--raw', kubelet]),
  );
}

async function start(names: Names, binaries: Binaries, kubectl: string): Promise<void> {
  // Owner-only: the parent folder is open to everyone. An existing folder of another user makes this fail.
  mkdirSync(names.runDir, { mode: 0o711 });
  const folders = { pki: join(names.runDir, 'pki'), etcd: join(names.runDir, 'etcd') };
  await writeSettings(names, folders.pki);
  makeCgroup(names.cluster);
  const node = await startNode(names, binaries.pause);
  const checks = firstComponents(binaries, folders).map((component) => startComponent(names, node, component));
  const ready = async (what: string, check: () => Promise<boolean>) =>
    until(`${what} is not ready (logs: ${names.runDir}/logs)`, START_TIMEOUT_MS, () => {
      for (const throwIfEnded of checks) throwIfEnded();
      return check();
    });
  const ctr = containerdClient(names);
  await ready('containerd', () => succeeds(ctr[0], [...ctr.slice(1), 'version']));
  await loadPauseImage(names, binaries.pause);
  const ask = (...args: string[]) => inNetwork(names, kubectl, ['--kubeconfig', names.kubeconfig, ...args]);
  await ready('the API server', () => succeeds(...ask('get', '--raw', '/readyz')));
  await run(...ask('apply', '-f', '-'), { input: settings.dnsObjects() });
  for (const component of nextComponents(binaries, folders)) checks.push(startComponent(names, node, component));
  const wait = ask('wait', `node/${settings.NODE_NAME}`, '--for=condition=Ready', '--timeout=1s');
  await ready('the node', () => succeeds(...wait));
  // Pods are refused in a namespace whose service account is not there yet.
  await ready("the default namespace's service account", () => succeeds(...ask('get', 'serviceaccount', 'default')));
}

async function writeSettings(names: Names, pki: string): Promise<void> {
  mkdirSync(pki, { recursive: true, mode: 0o700 });
  await writeCertificates(pki, HOLDERS);
  for (const client of CLIENTS) {
    writeFileSync(join(pki, `${client}.kubeconfig`), settings.kubeconfig(pki, client), { mode: 0o600 });
  }
  const conf = join(names.runDir, 'root/var/lib/cni/conf');
  mkdirSync(conf, { recursive: true });
  writeFileSync(join(conf, '10-pods.conflist'), settings.networkSettings());
  writeFileSync(join(pki, 'containerd.toml'), settings.containerdSettings());
  writeFileSync(join(pki, 'kubelet.json'), settings.kubeletSettings(pki, names.cluster));
  writeFileSync(join(pki, 'Corefile'), settings.corednsSettings(join(pki, 'coredns.kubeconfig')));
  writeFileSync(join(pki, 'resolv.conf'), '');
}

/** Stops the cluster and removes every trace of it. */
export async function removeSourceCluster(names: Names): Promise<void> {
  if (!hasRemains(names)) return announce('There is no cluster of this checkout.');
  requireRoot();
  await step(`removing the cluster ${names.cluster}`, { usually: '3 s' }, () => removeCluster(names));
}

/** Runs `work` while there is no API server: it is killed, and started again with the command that it had. */
export async function withoutApiServer<T>(names: Names, work: () => Promise<T>): Promise<T> {
  const node = findNode(names);
  const servers = processesInNetwork(names).map((pid) => ({ pid, command: commandOf(pid) }));
  const server = servers.find(({ command: [program = ''] }) => basename(program) === 'kube-apiserver');
  if (node === undefined || server === undefined) throw new Error(`no API server runs in ${names.cluster}`);
  await kill(server.pid);
  try {
    return await work();
  } finally {
    startComponent(names, node, { name: 'apiserver', command: server.command });
  }
}

function commandOf(pid: number): string[] {
  return (readIfThere(`/proc/${pid}/cmdline`) ?? '').split('\0').slice(0, -1);
}

/** Kills the process of a container, of which the kubelet knows nothing before. */
export async function killContainer(names: Names, id: string): Promise<void> {
  const [command, ...args] = containerdClient(names);
  await run(command, [...args, 'tasks', 'kill', '--signal', 'SIGKILL', id]);
}

/** containerd's own client, for the images that Kubernetes sees. */
function containerdClient(names: Names): [string, ...string[]] {
  return ['ctr', '--address', join(names.runDir, 'root/run/containerd/containerd.sock'), '--namespace', 'k8s.io'];
}

/** Whether this very archive was loaded before. */
export function isImported(names: Names, ref: string, archive: string): boolean {
  return readIfThere(importMark(names, ref)) === stampOf(archive);
}

/** Loads an image archive into the node. */
export async function importImage(names: Names, ref: string, archive: string): Promise<void> {
  const [command, ...args] = containerdClient(names);
  await run(command, [...args, 'images', 'import', archive]);
  const mark = importMark(names, ref);
  mkdirSync(dirname(mark), { recursive: true });
  writeFileSync(mark, stampOf(archive));
}

function importMark(names: Names, ref: string): string {
  return join(names.runDir, 'images', encodeURIComponent(normalizeReference(ref)));
}

function stampOf(archive: string): string {
  const { size, mtimeMs } = statSync(archive);
  return `${archive} ${size} ${mtimeMs}`;
}

/** The image of the process that holds a pod's namespaces. */
async function loadPauseImage(names: Names, pause: string): Promise<void> {
  const root = join(names.runDir, 'pause');
  mkdirSync(root);
  cpSync(pause, join(root, 'pause'));
  const archive = join(names.runDir, 'pause.tar');
  await writeImageArchive(archive, settings.PAUSE_IMAGE, root, { Entrypoint: ['/pause'], User: '65535:65535' });
  await importImage(names, settings.PAUSE_IMAGE, archive);
}

function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new Error(
    'A cluster from source needs root (it makes namespaces and mounts): run it with sudo, or start Docker and install kind.',
  );
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
