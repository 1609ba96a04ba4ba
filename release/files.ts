import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../test/cluster/command.ts';
import { sha256 } from '../test/cluster/image-archive.ts';

/**
 * Packs what is in a folder, in the same order, as nobody's, of one time: the same content makes the same bytes.
 * @param timestamp seconds since 1970.
 */
export async function packFolder(folder: string, archive: string, timestamp: number): Promise<void> {
  const same = ['--sort=name', `--mtime=@${timestamp}`, '--owner=0', '--group=0', '--numeric-owner', '--format=gnu'];
  const modes = '--mode=u+rwX,go+rX,go-w';
  // With the name of no file and no time in it: -n.
  const compress = archive.endsWith('gz') ? ['--use-compress-program=gzip -n -9'] : [];
  await run('tar', [...same, modes, ...compress, '-C', folder, '-cf', archive, ...readdirSync(folder).sort()]);
}

/** Writes SHA256SUMS beside the files that it is about, as `sha256sum --check` reads it. */
export async function writeSums(folder: string): Promise<void> {
  const files = readdirSync(folder).sort();
  const lines: string[] = [];
  for (const file of files) lines.push(`${await sha256(join(folder, file))}  ${file}\n`);
  writeFileSync(join(folder, 'SHA256SUMS'), lines.join(''));
}
