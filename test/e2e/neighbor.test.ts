import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Cluster, openCluster } from '../cluster/cluster.ts';
import { findNode } from '../cluster/from-source/node.ts';
import { namesFor } from '../cluster/names.ts';

const READY = '{.items[*].status.conditions[?(@.type=="Ready")].status}';

/** What another checkout sees: a cluster of its own beside this one, that ends without a trace and without harm to it. */
describe('a cluster of another checkout', () => {
  let checkout: string;
  let first: Cluster;
  let second: Cluster;

  beforeAll(async () => {
    checkout = mkdtempSync(join(tmpdir(), 'neighbor-'));
    first = await openCluster();
    second = new Cluster(namesFor(checkout), first.choice, first.tools);
    expect(await second.up()).toBe('started');
  }, 240_000);

  afterAll(async () => {
    await second.down();
    rmSync(checkout, { recursive: true, force: true });
  }, 60_000);

  it('runs beside this one, and neither sees what is in the other', async () => {
    await second.run('kubectl', ['create', 'namespace', 'only-here']);
    const namespaces = (cluster: Cluster) => cluster.run('kubectl', ['get', 'namespaces', '-o', 'name']);
    expect(await namespaces(second)).toContain('namespace/only-here');
    expect(await namespaces(first)).not.toContain('namespace/only-here');
  }, 30_000);

  it('is found up again, not started twice', async () => {
    expect(await second.up()).toBe('reused');
  }, 30_000);

  it('is started anew after its end by a crash', async () => {
    const node = findNode(second.names);
    if (second.flavor === 'kind') await second.down();
    else process.kill(node?.pid ?? NaN, 'SIGKILL');
    expect(await second.isUp()).toBe(false);
    expect(await second.up()).toBe('started');
    expect(await second.run('kubectl', ['get', 'nodes', '-o', `jsonpath=${READY}`])).toBe('True');
  }, 240_000);

  it('leaves no trace, and this one as it was', async () => {
    await second.run('kubectl', ['run', 'pod', '--image=localhost/pause:1', '--image-pull-policy=IfNotPresent']);
    await second.down();
    expect(traces(second)).toEqual([]);
    expect(await first.isUp()).toBe(true);
    expect(await first.run('kubectl', ['get', 'nodes', '-o', `jsonpath=${READY}`])).toMatch(/^True( True)*$/);
  }, 60_000);
});

/** Whatever on this machine carries the cluster's name: files, mounts, control groups and processes. */
function traces(cluster: Cluster): string[] {
  const name = cluster.names.cluster;
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(name));
  const folders = [
    '/run',
    '/run/netns',
    '/var/tmp',
    '/var/lib',
    '/var/log',
    '/var/log/pods',
    '/var/log/containers',
    tmpdir(),
  ];
  const hierarchies = readdirSync('/sys/fs/cgroup').map((entry) => join('/sys/fs/cgroup', entry));
  const files = [...folders, ...hierarchies, '/sys/fs/cgroup'].flatMap(entriesOf).filter((path) => path.includes(name));
  const processes = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(name));
  return [...mounts, ...files, ...processes];
}

function entriesOf(folder: string): string[] {
  try {
    return existsSync(folder) ? readdirSync(folder).map((entry) => join(folder, entry)) : [];
  } catch {
    return [];
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
