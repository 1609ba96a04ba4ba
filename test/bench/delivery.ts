// What bringing the agent into a pod costs: its size as files and as an image, and the init container's copy.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGzip } from 'node:zlib';
import { installedApp } from '../agent/app.ts';
import { median, result, type Result } from './results.ts';

const ROOT = join(import.meta.dirname, '../..');
const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));

/**
 * Ours is the folder that the init container copies; stock is a folder with nothing but the stock package and what it
 * needs, copied as opentelemetry-operator's init container does. Image and copy need busybox, as the image has it.
 */
export async function benchDelivery(runs: number): Promise<Result[]> {
  const dist = join(ROOT, 'dist');
  const stock = installedApp(join(ROOT, 'test/bench/apps/stock'));
  const ours = folderSize(join(dist, 'agent'));
  const theirs = folderSize(join(stock, 'node_modules'));
  const results = [
    result('agent.size', 'MB', ours.bytes / 2 ** 20, theirs.bytes / 2 ** 20, 1),
    result('agent.files', 'files', ours.files, theirs.files, 1),
  ];
  if (BUSYBOX === undefined) {
    console.log('no busybox on this machine: agent.image and agent.copy are not measured');
    return results;
  }
  const base = await compressedSize('/', [BUSYBOX.slice(1)]);
  const image = base + (await compressedSize(dist, ['agent', 'agent-copy.sh']));
  const stockImage = base + (await compressedSize(stock, ['node_modules']));
  const millis = { ours: [] as number[], stock: [] as number[] };
  for (let run = -1; run < runs; run++) {
    const copied = {
      ours: copyMillis(BUSYBOX, ['sh', join(dist, 'agent-copy.sh')], join(dist, 'agent')),
      stock: copyMillis(BUSYBOX, ['cp', '-r', `${join(stock, 'node_modules')}/.`], stock),
    };
    if (run < 0) continue;
    millis.ours.push(copied.ours);
    millis.stock.push(copied.stock);
  }
  return [
    ...results,
    result('agent.image', 'MB compressed', image / 2 ** 20, stockImage / 2 ** 20, 1),
    result('agent.copy', 'ms', median(millis.ours), median(millis.stock), runs),
  ];
}

function folderSize(folder: string): { files: number; bytes: number } {
  let files = 0;
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    files += 1;
    bytes += statSync(join(entry.parentPath, entry.name)).size;
  }
  return { files, bytes };
}

/** Bytes of a layer with these files, as a registry holds it. */
async function compressedSize(directory: string, names: string[]): Promise<number> {
  const tar = spawn('tar', ['-C', directory, '-cf', '-', ...names], { stdio: ['ignore', 'pipe', 'inherit'] });
  let bytes = 0;
  for await (const chunk of tar.stdout.pipe(createGzip())) bytes += (chunk as Buffer).length;
  return bytes;
}

function copyMillis(busybox: string, command: string[], source: string): number {
  const target = mkdtempSync(join(tmpdir(), 'bench-copy-'));
  const began = performance.now();
  const { status, stderr } = spawnSync(busybox, [...command, target], {
    env: { PATH: process.env['PATH'], AGENT_SOURCE: source },
    encoding: 'utf8',
  });
  const millis = performance.now() - began;
  rmSync(target, { recursive: true });
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`);
  return millis;
}
