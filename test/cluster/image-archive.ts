import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from './command.ts';
import { normalizeReference } from './reference.ts';

/** The part of an image's configuration that says how a container starts; the names are the image format's own. */
export interface ImageConfig {
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  readonly StopSignal?: string;
}

/** What images call an architecture, by Node's name for it. */
export function ociArchitecture(nodeArchitecture: string): string {
  return { x64: 'amd64' }[nodeArchitecture] ?? nodeArchitecture;
}

/**
 * Writes an image of one layer, the content of the folder `root`, as an archive that `docker load` understands. Its architecture
 * is called as Node calls it.
 */
export async function writeImageArchive(
  archive: string,
  ref: string,
  root: string,
  config: ImageConfig,
  nodeArchitecture: string = process.arch,
): Promise<void> {
  const work = mkdtempSync(join(dirname(archive), '.image-'));
  try {
    const layer = join(work, 'layer.tar');
    await run('tar', ['--sort=name', '--numeric-owner', '--mtime=@0', '-C', root, '-cf', layer, '.']);
    const architecture = ociArchitecture(nodeArchitecture);
    const rootfs = { type: 'layers', diff_ids: [`sha256:${await sha256(layer)}`] };
    const description = JSON.stringify({ created: '1970-01-01T00:00:00Z', architecture, os: 'linux', config, rootfs });
    const name = `${createHash('sha256').update(description).digest('hex')}.json`;
    writeFileSync(join(work, name), description);
    const manifest = [{ Config: name, RepoTags: [normalizeReference(ref)], Layers: ['layer.tar'] }];
    writeFileSync(join(work, 'manifest.json'), JSON.stringify(manifest));
    await run('tar', ['--mtime=@0', '-C', work, '-cf', archive, 'manifest.json', name, 'layer.tar']);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * Writes an image like the one in the archive `from`, under another name: with the files below `root` over its own, and
 * with what `config` says otherwise.
 */
export async function deriveImageArchive(
  archive: string,
  ref: string,
  from: string,
  { root, config = {} }: { root?: string; config?: ImageConfig } = {},
): Promise<void> {
  const work = mkdtempSync(join(dirname(archive), '.image-'));
  try {
    await run('tar', ['-C', work, '-xf', from]);
    const read = (name: string): unknown => JSON.parse(readFileSync(join(work, name), 'utf8'));
    const [base] = read('manifest.json') as { Config: string; Layers: string[] }[];
    const { history: _history, ...old } = read(base!.Config) as {
      config: ImageConfig;
      rootfs: { diff_ids: string[] };
      history?: unknown;
    };
    const layers = [...base!.Layers];
    const ids = [...old.rootfs.diff_ids];
    if (root !== undefined) {
      await run('tar', [
        '--sort=name',
        '--numeric-owner',
        '--mtime=@0',
        '-C',
        root,
        '-cf',
        join(work, 'over.tar'),
        '.',
      ]);
      layers.push('over.tar');
      ids.push(`sha256:${await sha256(join(work, 'over.tar'))}`);
    }
    const rootfs = { ...old.rootfs, diff_ids: ids };
    const description = JSON.stringify({ ...old, config: { ...old.config, ...config }, rootfs });
    const name = `${createHash('sha256').update(description).digest('hex')}.json`;
    writeFileSync(join(work, name), description);
    const manifest = [{ Config: name, RepoTags: [normalizeReference(ref)], Layers: layers }];
    rmSync(join(work, 'manifest.json'), { force: true });
    writeFileSync(join(work, 'manifest.json'), JSON.stringify(manifest));
    await run('tar', ['--mtime=@0', '-C', work, '-cf', archive, 'manifest.json', name, ...layers]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The sum of a file, in hexadecimal digits. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
