import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../command.ts';
import type { Names } from '../names.ts';
import { identify, isAlive, parseIdentity, type ProcessIdentity } from '../process-identity.ts';
import { until } from '../progress.ts';
import type { Component } from './components.ts';
import { NODE_IP, POD_SUBNET } from './settings.ts';

/**
 * The node is a small container of its own: a network namespace, and a mount and a process namespace that live and die
 * with its first process. Ending that process ends every other one in it and undoes every mount, whatever a
 * crashed run had left half done. The host sees neither the mounts nor anything in the node's /run, /var/lib, /var/log.
 */

/**
 * kubelet sets these for the whole machine. In the node they are files that already hold what it wants, so the machine
 * stays as it is.
 */
const KERNEL_SETTINGS: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/** Own folders that stand in for the host's inside the node. */
const OWN_FOLDERS = ['run', 'var/lib', 'var/log'];

/** Run as the node's first process. `/proc` is still the host's at the beginning, so it can tell its number there. */
const FIRST_PROCESS = `
set -eu
run=$1 pause=$2
read -r pid rest < /proc/self/stat
mount -n -t proc proc /proc
for file in $(cd "$run/sys" && find . -type f); do mount -n --bind "$run/sys/$file" "/proc/sys/$file"; done
for folder in ${OWN_FOLDERS.join(' ')}; do mount -n --bind "$run/root/$folder" "/$folder"; done
mount -n --make-rshared /
echo "$pid" > "$run/node.pid.new" && mv "$run/node.pid.new" "$run/node.pid"
exec "$pause"
`;

/**
 * The file that the network namespace is bound to. Not under /run/netns, where `ip netns` of anyone may lay a mount over
 * ours that we could not take away.
 */
export function networkNamespace(names: Names): string {
  return join(names.runDir, 'net');
}

/** Whether a process is in the cluster's network namespace. */
export function isInNetwork(pid: number, names: Names): boolean {
  try {
    const [theirs, ours] = [statSync(`/proc/${pid}/ns/net`), statSync(networkNamespace(names))];
    return theirs.ino === ours.ino && theirs.dev === ours.dev;
  } catch {
    return false;
  }
}

function identityFile(names: Names): string {
  return join(names.runDir, 'node.json');
}

/** The node's first process, if it is alive and is in this cluster's network namespace. */
export function findNode(names: Names): ProcessIdentity | undefined {
  try {
    const identity = parseIdentity(readFileSync(identityFile(names), 'utf8'));
    return identity !== undefined && isAlive(identity) && isInNetwork(identity.pid, names) ? identity : undefined;
  } catch {
    return undefined;
  }
}

/** Makes the namespaces, the bridge and the first process. */
export async function startNode(names: Names, pause: string): Promise<ProcessIdentity> {
  const { runDir } = names;
  for (const folder of [
    ...OWN_FOLDERS.map((name) => `root/${name}`),
    'root/run/netns',
    'root/var/lib/cni/conf',
    'logs',
  ]) {
    mkdirSync(join(runDir, folder), { recursive: true });
  }
  for (const [name, value] of Object.entries(KERNEL_SETTINGS)) {
    mkdirSync(join(runDir, 'sys', name, '..'), { recursive: true });
    writeFileSync(join(runDir, 'sys', name), `${value}\n`);
  }
  writeFileSync(networkNamespace(names), '');
  await run('unshare', [`--net=${networkNamespace(names)}`, 'true']);
  await run('nsenter', [`--net=${networkNamespace(names)}`, 'sh', '-euc', networkCommands()]);
  const command = ['unshare', '--mount', '--pid', '--fork', '--propagation', 'private'];
  spawnDetached(names, 'node', [...command, 'sh', '-c', FIRST_PROCESS, 'sh', runDir, pause]);
  let identity: ProcessIdentity | undefined;
  await until(`the node's first process is not there (see ${logFile(names, 'node')})`, 10_000, () => {
    identity = identify(Number(readOr(join(runDir, 'node.pid'), 'NaN')));
    return Promise.resolve(identity !== undefined);
  });
  writeFileSync(identityFile(names), JSON.stringify(identity));
  return identity as unknown as ProcessIdentity;
}

/** Service addresses need a route, or the kernel refuses them before they are rewritten. */
function networkCommands(): string {
  const prefix = POD_SUBNET.split('/')[1];
  return `
    ip link set lo up
    ip link add cni0 type bridge
    ip addr add ${NODE_IP}/${prefix} dev cni0
    ip link set cni0 up
    ip route add default via ${NODE_IP}
    echo 1 > /proc/sys/net/ipv4/ip_forward`;
}

/** Starts a component in the node, in the background. Returns a function that throws once it has ended. */
export function startComponent(names: Names, node: ProcessIdentity, component: Component): () => void {
  const enter = ['nsenter', `--target=${node.pid}`, '--mount', '--pid'];
  return spawnDetached(names, component.name, [...enter, ...component.command]);
}

function spawnDetached(names: Names, name: string, command: readonly string[]): () => void {
  const path = logFile(names, name);
  const log = openSync(path, 'a');
  const args = [`--net=${networkNamespace(names)}`, ...command];
  const child = spawn('nsenter', args, { detached: true, stdio: ['ignore', log, log], cwd: names.runDir });
  closeSync(log);
  let failure: string | undefined;
  child.on('error', (error) => (failure = error.message));
  child.on('exit', (status, signal) => (failure = `ended (${status ?? signal})`));
  child.unref();
  return () => {
    if (failure === undefined) return;
    const tail = readFileSync(path, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
    throw new Error(`${name}: ${failure}\n${tail}\nall of it: ${path}`);
  };
}

export function logFile(names: Names, component: string): string {
  return join(names.runDir, 'logs', `${component}.log`);
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}
