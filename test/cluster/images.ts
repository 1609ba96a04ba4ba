import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { baseArchive } from './bases.ts';
import { cached, cachePath } from './cache.ts';
import { dockerRuns } from './choose.ts';
import { run, type CommandOptions } from './command.ts';
import { baseImages } from './dockerfile.ts';
import { ociArchitecture } from './image-archive.ts';
import { normalizeReference, slugOf } from './reference.ts';

export interface ImageSource {
  readonly ref: string;
  readonly dockerfile: string;
  readonly context: string;
  readonly buildArguments?: Readonly<Record<string, string>>;
}

export interface BuiltImage {
  readonly ref: string;
  /** A file that `docker load`, `ctr images import` and `kind load image-archive` take. */
  readonly archive: string;
  readonly bytes: number;
  /** False when the same content had been built before. */
  readonly built: boolean;
}

/** Builds an image from its Dockerfile: by Docker where it runs, else by buildah on bases made here. */
export async function buildImage(source: ImageSource): Promise<BuiltImage> {
  const dockerfile = readFileSync(source.dockerfile, 'utf8');
  const docker = await dockerRuns();
  const bases = docker
    ? []
    : await Promise.all(baseImages(dockerfile, source.buildArguments).map((base) => baseArchive(base)));
  const settings = JSON.stringify([normalizeReference(source.ref), docker, bases, source.buildArguments]);
  const thing = { name: `image-${slugOf(source.ref)}`, recipe: [settings, dockerfile, contentHash(source.context)] };
  const built = !existsSync(cachePath(thing));
  const folder = await cached({
    ...thing,
    title: `building the image ${source.ref} with ${docker ? 'Docker' : 'buildah'}`,
    usually: '5 s',
    make: (dir, log) => {
      const transport = `docker-archive:${join(dir, 'image.tar')}:${normalizeReference(source.ref)}`;
      return docker ? buildWithDocker(source, dir, log) : buildWithBuildah(source, bases, transport, { dir, log });
    },
  });
  const archive = join(folder, 'image.tar');
  return { ref: source.ref, archive, bytes: statSync(archive).size, built };
}

async function buildWithDocker(source: ImageSource, dir: string, log: string): Promise<void> {
  await run('docker', ['build', '-f', source.dockerfile, '-t', source.ref, ...argumentFlags(source), source.context], {
    log,
  });
  await run('docker', ['save', '-o', join(dir, 'image.tar'), source.ref], { log });
}

/**
 * Builds an image for an architecture (by Node's name for it), on bases made here, into an OCI layout. The same content and time
 * give the same bytes.
 */
export async function buildOciLayout(
  source: ImageSource,
  layout: string,
  { architecture, timestamp, dir, log }: { architecture: string; timestamp: number; dir: string; log: string },
): Promise<void> {
  const dockerfile = readFileSync(source.dockerfile, 'utf8');
  const bases = await Promise.all(
    baseImages(dockerfile, source.buildArguments).map((base) => baseArchive(base, architecture)),
  );
  const platform = `linux/${ociArchitecture(architecture)}`;
  await buildWithBuildah(source, bases, `oci:${layout}`, { dir, log, platform, timestamp });
}

/** Everything that buildah keeps is in the folder of this one build, so nothing is left and no two builds meet. */
async function buildWithBuildah(
  source: ImageSource,
  bases: readonly string[],
  transport: string,
  { dir, log, platform, timestamp = 0 }: { dir: string; log: string; platform?: string; timestamp?: number },
): Promise<void> {
  const work = join(dir, 'work');
  mkdirSync(work);
  writeFileSync(join(work, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  writeFileSync(join(work, 'registries.conf'), 'unqualified-search-registries = ["docker.io"]\n');
  const env = {
    ...process.env,
    BUILDAH_ISOLATION: 'chroot',
    CONTAINERS_REGISTRIES_CONF: join(work, 'registries.conf'),
    TMPDIR: work,
  };
  const options: CommandOptions = { log, env };
  const storage = ['--root', join(work, 'storage'), '--runroot', join(work, 'run'), '--storage-driver', 'vfs'];
  const policy = ['--signature-policy', join(work, 'policy.json')];
  const buildah = (verb: string, ...args: string[]) =>
    run(...aside(work, 'buildah', [...storage, verb, ...policy, ...args]), { ...options, title: `buildah ${verb}` });
  const ref = normalizeReference(source.ref);
  try {
    for (const base of bases) await buildah('pull', '--quiet', `docker-archive:${base}`);
    const files = ['--file', resolve(source.dockerfile), resolve(source.context)];
    const settings = [`--timestamp=${timestamp}`, ...(platform === undefined ? [] : [`--platform=${platform}`])];
    await buildah('build', '--pull-never', ...settings, '--tag', ref, ...argumentFlags(source), ...files);
    await buildah('push', '--quiet', ref, transport);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * buildah keeps a few files in /run and /var/lib wherever its storage is. Here it sees folders of its own there, and what
 * it mounts ends with it.
 */
function aside(work: string, command: string, args: readonly string[]): [string, string[]] {
  if (/^\/(run|var\/lib)\//.test(work)) return [command, [...args]];
  for (const folder of ['own/run', 'own/var/lib']) mkdirSync(join(work, folder), { recursive: true });
  const script = 'mount -n --bind "$1/own/run" /run && mount -n --bind "$1/own/var/lib" /var/lib && shift && exec "$@"';
  return ['unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', work, command, ...args]];
}

function argumentFlags(source: ImageSource): string[] {
  return Object.entries(source.buildArguments ?? {}).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
}

/** A hash of every file below a folder: its path, its mode and its content. Times don't count. */
export function contentHash(folder: string): string {
  const hash = createHash('sha256');
  const visit = (path: string, name: string): void => {
    const stat = lstatSync(path);
    hash.update(`${name}\0${stat.mode}\0`);
    if (stat.isSymbolicLink()) hash.update(readlinkSync(path));
    else if (stat.isDirectory())
      for (const entry of readdirSync(path).sort()) visit(join(path, entry), `${name}/${entry}`);
    else if (stat.isFile()) hash.update(`${stat.size}\0`).update(readFileSync(path));
  };
  visit(resolve(folder), '');
  return hash.digest('hex');
}
