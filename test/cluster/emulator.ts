import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { unpackDebian, unpackForeignDebian } from './debian.ts';

/** What QEMU and Debian call them, by Node's names. */
const NAMES = { x64: { qemu: 'x86_64', debian: 'amd64' }, arm64: { qemu: 'aarch64', debian: 'arm64' } } as const;
/** That Node's builds need; the last one since Node 26. */
const LIBRARIES = ['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1'];

/**
 * What runs a program of another architecture on this machine, to be put before it and its arguments: Debian's static QEMU for
 * one process, with Debian's libraries for that architecture. Nothing is registered in the kernel, so what such a
 * program starts in turn is this machine's. Network and files are this machine's.
 */
export async function emulated(architecture: keyof typeof NAMES): Promise<string[]> {
  const { qemu, debian } = NAMES[architecture];
  const program = `qemu-${qemu}-static`;
  const folder = await cached({
    name: program,
    recipe: [process.arch, ...LIBRARIES],
    title: `fetching Debian's QEMU, to run programs for ${architecture}`,
    usually: '10 to 30 s',
    make: async (dir, log) => {
      const unpacked = join(dir, 'unpacked');
      mkdirSync(unpacked);
      await unpackDebian('qemu-user-static', unpacked, { isNeeded: () => false, log });
      // The package has programs for some thirty architectures, 300 MB in all.
      renameSync(join(unpacked, 'usr/bin', program), join(dir, program));
      rmSync(unpacked, { recursive: true });
      const root = join(dir, 'root');
      mkdirSync(root);
      await unpackForeignDebian(LIBRARIES, debian, root, log);
    },
  });
  return [join(folder, program), '-L', join(folder, 'root')];
}
