import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ociArchitecture } from '../test/cluster/image-archive.ts';
import { buildOciLayout } from '../test/cluster/images.ts';
import { packFolder } from './files.ts';

/** By Node's names. */
export const ARCHITECTURES = ['x64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];
const INDEX = 'application/vnd.oci.image.index.v1+json';

/** https://github.com/opencontainers/image-spec/blob/main/descriptor.md */
interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string };
  annotations?: Record<string, string>;
}

interface Release {
  version: string;
  /** Seconds since 1970. */
  timestamp: number;
  /** A folder for what is between. */
  work: string;
  log: string;
}

/** Builds an image for each architecture, and packs them as one image of several: an archive of an OCI layout. */
export async function imageArchive(
  archive: string,
  {
    name,
    dockerfile,
    contexts,
  }: { name: string; dockerfile: string; contexts: Readonly<Record<Architecture, string>> },
  { version, timestamp, work, log }: Release,
): Promise<void> {
  const both = join(work, name);
  mkdirSync(join(both, 'blobs/sha256'), { recursive: true });
  const manifests: Descriptor[] = [];
  for (const architecture of ARCHITECTURES) {
    const dir = join(work, `${name}-${architecture}`);
    mkdirSync(dir);
    const layout = join(dir, 'layout');
    const source = { ref: `tracing-acme/${name}:${version}`, dockerfile, context: contexts[architecture] };
    await buildOciLayout(source, layout, { architecture, timestamp, dir, log });
    const [{ mediaType, digest, size }] = (
      JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: [Descriptor] }
    ).manifests;
    manifests.push({ mediaType, digest, size, platform: { os: 'linux', architecture: ociArchitecture(architecture) } });
    cpSync(join(layout, 'blobs'), join(both, 'blobs'), { recursive: true });
  }
  const index = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
  const hash = createHash('sha256').update(index).digest('hex');
  const blob = join(both, 'blobs/sha256', hash);
  writeFileSync(blob, index);
  const root: Descriptor = {
    mediaType: INDEX,
    digest: `sha256:${hash}`,
    size: statSync(blob).size,
    annotations: { 'org.opencontainers.image.ref.name': version },
  };
  writeFileSync(join(both, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [root] }));
  writeFileSync(join(both, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await packFolder(both, archive, timestamp);
}
