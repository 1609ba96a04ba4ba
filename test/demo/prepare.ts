import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Cluster } from '../cluster/cluster.ts';
import { run } from '../cluster/command.ts';
import { buildImage } from '../cluster/images.ts';
import type { BuiltImage } from '../cluster/images.ts';
import { step } from '../cluster/progress.ts';
import { provideServer, SHOP_SERVERS } from '../cluster/servers.ts';
import { installShop } from '../servers/shop.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');

/** The images that this repository makes. */
export interface Images {
  operator: BuiltImage;
  agent: BuiltImage;
  shop: BuiltImage;
}

/** Builds the operator, the agent and the shop into images and loads them, with those of the shop's servers and Jaeger. */
export async function prepareImages(cluster: Cluster): Promise<Images> {
  const images = await buildImages();
  await loadImages(cluster, images);
  for (const server of [...SHOP_SERVERS, 'jaeger'] as const) await provideServer(cluster, server);
  return images;
}

/** Builds the operator, the agent and the shop into images. */
export async function buildImages(): Promise<Images> {
  const own = await buildOwnImages();
  await step("installing the shop's dependencies", { usually: '5 s, nothing when they are there' }, installShop);
  return { ...own, shop: await build('shop', 'examples/shop/Dockerfile', 'examples/shop') };
}

/** Bundles the operator and the agent, and builds them into images. */
export async function buildOwnImages(): Promise<Pick<Images, 'operator' | 'agent'>> {
  await step('bundling the operator and the agent', { usually: '5 s' }, async () => {
    for (const script of ['operator/build.ts', 'cli/build.ts', 'injector/agent/build.ts']) {
      await run(process.execPath, [script], { cwd: CHECKOUT });
    }
  });
  return {
    operator: await build('operator', 'operator/Dockerfile', 'dist'),
    agent: await build('agent', 'injector/agent/Dockerfile', 'dist'),
  };
}

/** So that pods on a cluster can use them. */
export async function loadImages(cluster: Cluster, images: Partial<Images>): Promise<void> {
  for (const image of Object.values(images)) await cluster.load(image);
}

function build(name: string, dockerfile: string, context: string): Promise<BuiltImage> {
  const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string };
  return buildImage({
    ref: `tracing-acme/${name}:${version}`,
    dockerfile: join(CHECKOUT, dockerfile),
    context: join(CHECKOUT, context),
  });
}
