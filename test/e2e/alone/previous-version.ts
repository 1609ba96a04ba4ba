import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dump, load } from 'js-yaml';
import type { Cluster } from '../../cluster/cluster.ts';
import { deriveImageArchive } from '../../cluster/image-archive.ts';
import type { BuiltImage } from '../../cluster/images.ts';
import type { Images } from '../../demo/prepare.ts';
import { CHART } from '../../chart/helm.ts';

export const PREVIOUS = '0.0.9';

interface Schema {
  properties: Record<string, Schema>;
}

/**
 * A chart like this one of a version before it: its definitions do not know `spec.rollout` yet. Nothing has been published
 * yet that could be taken instead.
 */
export async function packagePreviousChart(cluster: Cluster, folder: string): Promise<string> {
  const chart = join(folder, 'previous/tracing-operator');
  cpSync(CHART, chart, { recursive: true });
  const templates = join(chart, 'templates');
  for (const name of readdirSync(templates).filter((each) => each.startsWith('crd-'))) {
    const file = join(templates, name);
    const definition = load(readFileSync(file, 'utf8')) as {
      spec: { versions: { schema: { openAPIV3Schema: Schema } }[] };
    };
    for (const { schema } of definition.spec.versions)
      delete schema.openAPIV3Schema.properties['spec']!.properties['rollout'];
    writeFileSync(file, dump(definition));
  }
  const versions = ['--version', PREVIOUS, '--app-version', PREVIOUS];
  await cluster.run('helm', ['package', chart, ...versions, '--destination', folder]);
  return join(folder, `tracing-operator-${PREVIOUS}.tgz`);
}

/** Images of that version: what is in them is the same, but for every part of Kubernetes they are others. */
export async function loadPreviousImages(
  cluster: Cluster,
  images: Images,
  folder: string,
): Promise<{ operator: BuiltImage; agent: BuiltImage }> {
  const previous = async (image: BuiltImage): Promise<BuiltImage> => {
    const ref = `${image.ref.slice(0, image.ref.lastIndexOf(':'))}:${PREVIOUS}`;
    const archive = join(folder, `${ref.replace(/\W+/g, '-')}.tar`);
    await deriveImageArchive(archive, ref, image.archive, { config: { StopSignal: 'SIGTERM' } });
    const made = { ...image, ref, archive };
    await cluster.load(made);
    return made;
  };
  return { operator: await previous(images.operator), agent: await previous(images.agent) };
}
