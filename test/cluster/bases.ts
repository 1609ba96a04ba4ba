import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { cached } from './cache.ts';
import { run } from './command.ts';
import { unpackForeignDebian } from './debian.ts';
import { writeImageArchive } from './image-archive.ts';
import { unpackNpmPackage } from './npm-package.ts';
import { ensurePackages, IMAGE_NEEDS } from './packages.ts';
import { normalizeReference } from './reference.ts';

/**
 * Base images that can be made on a machine that reaches no image registry. They stand in for the registry's under the
 * same name: what our Dockerfiles use of them is there, the rest (npm, a package manager) is not.
 */

/** Node's own builds, as npm's registry has them. */
const NODE_BUILDS: Readonly<Record<string, { version: string; x64: string; arm64?: string }>> = {
  'node:24-slim': {
    version: '24.21.0',
    x64: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    arm64: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
  'node:22-slim': {
    version: '22.23.3',
    x64: 'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
    arm64: 'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
  },
  'node:20-slim': {
    version: '20.20.2',
    x64: 'sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==',
  },
  'node:16-slim': {
    version: '16.20.2',
    x64: 'sha512-oxOhUQeRI8VP2S933KzppWoQTXE/bhs3rskxrAXQA0xfIoy+WqVx47oe6upUsCqORfvAHcbdf9k+1iFyZnceqQ==',
    arm64: 'sha512-MyXYLwR55kL8fh4+T/pnLFltiys/aQ0QYtT5PZuiiQBksWRCP28LWRACZhFHGPG+jlSxzZDKwRFAjdNY3DaB0Q==',
  },
};
const BUSYBOX = 'busybox:1.37';
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

const NODE_ENTRYPOINT = `#!/bin/sh
# An option or a file is for node; anything else is a command of its own.
case "\${1:-}" in -*) set -- node "$@" ;; *) command -v "\${1:-node}" > /dev/null || set -- node "$@" ;; esac
exec "$@"
`;

/** The bases that `baseArchive` can make. */
export const KNOWN_BASES: readonly string[] = [...Object.keys(NODE_BUILDS), BUSYBOX];

/** Those that the project's own Dockerfiles use. */
export const COMMON_BASES: readonly string[] = ['node:24-slim', BUSYBOX];

/** What is in the bases for an architecture that is not this machine's, by Node's name for it. */
const FOREIGN: Readonly<Record<string, { debian: string; folder: string; loader: string }>> = {
  x64: { debian: 'amd64', folder: 'x86_64-linux-gnu', loader: '/lib64/ld-linux-x86-64.so.2' },
  arm64: { debian: 'arm64', folder: 'aarch64-linux-gnu', loader: '/lib/ld-linux-aarch64.so.1' },
};
const FOREIGN_PACKAGES = ['busybox-static', 'libc6', 'libstdc++6', 'libgcc-s1'];
/** That Node's own builds need. */
const NODE_LIBRARIES = [
  ...['libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'librt.so.1', 'libresolv.so.2'],
  ...['libstdc++.so.6', 'libgcc_s.so.1'],
];

/** Where programs and libraries for a base are taken from. */
interface Supply {
  busybox: string;
  /** By their paths in the image: where each library is that Node needs. */
  libraries: (node: string) => Promise<Map<string, string>>;
}

/** An archive of the base image for an architecture, by Node's name for it; made locally and cached. */
export async function baseArchive(ref: string, architecture: string = process.arch): Promise<string> {
  const name = KNOWN_BASES.find((known) => normalizeReference(known) === normalizeReference(ref));
  if (name === undefined)
    throw new Error(`No base image ${ref} without Docker. There are: ${KNOWN_BASES.join(', ')}, scratch.`);
  await ensurePackages(IMAGE_NEEDS);
  const folder = await cached({
    name: `base-${name.replace(':', '-')}`,
    recipe: [
      architecture,
      JSON.stringify(NODE_BUILDS[name] ?? ''),
      NODE_ENTRYPOINT,
      await systemVersions(),
      readFileSync(import.meta.filename),
    ],
    title: `making the base image ${name} for ${architecture}`,
    usually: '3 to 10 s',
    make: async (dir, log) => {
      const root = join(dir, 'root');
      mkdirSync(root, { mode: 0o755 });
      const supply = architecture === process.arch ? OF_THIS_MACHINE : await foreignSupply(architecture, dir, log);
      const config =
        name === BUSYBOX ? await fillBusybox(root, supply) : await fillNode(root, { name, architecture, supply, log });
      await writeImageArchive(join(dir, 'image.tar'), name, root, config, architecture);
      for (const folder of [root, join(dir, 'foreign')]) rmSync(folder, { recursive: true, force: true });
    },
  });
  return join(folder, 'image.tar');
}

const OF_THIS_MACHINE: Supply = {
  busybox: '/bin/busybox',
  libraries: async (node) => new Map((await librariesOf(node)).map((path) => [path, path])),
};

async function foreignSupply(architecture: string, dir: string, log: string): Promise<Supply> {
  const known = FOREIGN[architecture];
  if (known === undefined) throw new Error(`no base images for ${architecture}: ${Object.keys(FOREIGN).join(', ')}`);
  const root = join(dir, 'foreign/root');
  mkdirSync(root, { recursive: true });
  await unpackForeignDebian(FOREIGN_PACKAGES, known.debian, root, log);
  const folders = [`/lib/${known.folder}`, `/usr/lib/${known.folder}`];
  const find = (library: string): [string, string] => {
    const path = folders.map((folder) => `${folder}/${library}`).find((each) => existsSync(join(root, each)));
    if (path === undefined) throw new Error(`${library} is in none of ${FOREIGN_PACKAGES.join(', ')}`);
    return [path, join(root, path)];
  };
  const loader = find(basename(known.loader))[1];
  return {
    busybox: ['/bin/busybox', '/usr/bin/busybox'].map((path) => join(root, path)).find((path) => existsSync(path))!,
    libraries: () => Promise.resolve(new Map([...NODE_LIBRARIES.map(find), [known.loader, loader]])),
  };
}

async function fillBusybox(root: string, { busybox }: Supply): Promise<{ Cmd: string[] }> {
  await addShell(root, busybox);
  return { Cmd: ['sh'] };
}

async function fillNode(
  root: string,
  { name, architecture, supply, log }: { name: string; architecture: string; supply: Supply; log: string },
): Promise<{ Env: string[]; Entrypoint: string[]; Cmd: string[] }> {
  const build = NODE_BUILDS[name];
  const integrity = architecture === 'arm64' ? build?.arm64 : build?.x64;
  if (build === undefined || integrity === undefined) throw new Error(`${name} is not known for ${architecture}`);
  const unpacked = join(root, '..', 'npm');
  mkdirSync(unpacked);
  await unpackNpmPackage({ name: `node-linux-${architecture}`, version: build.version, integrity }, unpacked, log);
  await addShell(root, supply.busybox);
  const node = join(root, 'usr/local/bin/node');
  put(join(unpacked, 'package/bin/node'), node, 0o755);
  rmSync(unpacked, { recursive: true });
  for (const [path, library] of await supply.libraries(node)) put(library, join(root, path), 0o755);
  writeFileSync(join(root, 'usr/local/bin/docker-entrypoint.sh'), NODE_ENTRYPOINT, { mode: 0o755 });
  addUser(root, 'node', 1000, '/home/node');
  if (existsSync(CERTIFICATES)) put(CERTIFICATES, join(root, CERTIFICATES), 0o644);
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return {
    Env: [`PATH=${path}`, `NODE_VERSION=${build.version}`],
    Entrypoint: ['docker-entrypoint.sh'],
    Cmd: ['node'],
  };
}

/** Busybox under all of its names, and the few files and folders that every program expects. */
export async function addShell(root: string, busybox = '/bin/busybox'): Promise<void> {
  for (const folder of ['bin', 'usr/bin', 'etc', 'proc', 'sys', 'dev', 'root'])
    mkdirSync(join(root, folder), { recursive: true });
  mkdirSync(join(root, 'tmp'));
  chmodSync(join(root, 'tmp'), 0o1777);
  put(busybox, join(root, 'bin/busybox'), 0o755);
  // One for another architecture does not run here, but has the same applets: it is of the same Debian.
  for (const applet of (await run('/bin/busybox', ['--list'])).split('\n')) {
    if (applet !== '' && applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  }
  symlinkSync('/bin/busybox', join(root, 'usr/bin/env'));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  writeFileSync(join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');
}

/** A user with a group of the same name and number and a home of its own. */
export function addUser(root: string, name: string, id: number, home: string): void {
  writeFileSync(join(root, 'etc/passwd'), `${name}:x:${id}:${id}::${home}:/bin/sh\n`, { flag: 'a' });
  writeFileSync(join(root, 'etc/group'), `${name}:x:${id}:\n`, { flag: 'a' });
  mkdirSync(join(root, home), { recursive: true });
  chownSync(join(root, home), id, id);
}

/** The shared libraries that a program needs, by their paths on this machine. */
async function librariesOf(program: string): Promise<string[]> {
  return (await run('ldd', [program])).match(/\/\S+/g)?.filter((path) => path !== program && !path.endsWith(':')) ?? [];
}

function put(from: string, to: string, mode: number): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}

/** What of this machine goes into the bases. */
async function systemVersions(): Promise<string> {
  const packages = ['libc6', 'libstdc++6', 'busybox-static', 'ca-certificates'];
  return run('dpkg-query', ['-W', ...packages], { tolerant: true }).catch(() => 'not Debian');
}
