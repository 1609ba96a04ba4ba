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
  const images = await prepareBuiltImages(cluster);
  for (const server of [...SHOP_SERVERS, 'jaeger'] as const) await provideServer(cluster, server);
  return images;
}

/** Builds the operator, the agent and the shop into images and loads them. */
export async function prepareBuiltImages(cluster: Cluster): Promise<Images> {
  const own = await prepareOwnImages(cluster);
  await step("installing the shop's dependencies", { usually: '5 s, nothing when they are there' }, installShop);
  const shop = await build('shop', 'examples/shop/Dockerfile', 'examples/shop');
  await cluster.load(shop);
  return { ...own, shop };
}

/** Bundles the operator and the agent, builds them into images and loads those. */
export async function prepareOwnImages(cluster: Cluster): Promise<Pick<Images, 'operator' | 'agent'>> {
  await step('bundling the operator and the agent', { usually: '5 s' }, async () => {
    for (const script of ['operator/build.ts', 'cli/build.ts', 'injector/agent/build.ts']) {
      await run(process.execPath, [script], { cwd: CHECKOUT });
    }
  });
  const images = {
    operator: await build('operator', 'operator/Dockerfile', 'dist'),
    agent: await build('agent', 'injector/agent/Dockerfile', 'dist'),
  };
  for (const image of Object.values(images)) await cluster.load(image);
  return images;
}

function build(name: string, dockerfile: string, context: string): Promise<BuiltImage> {
  const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string };
  return buildImage({
    ref: `tracing-acme/${name}:${version}`,
    dockerfile: join(CHECKOUT, dockerfile),
    context: join(CHECKOUT, context),
  });
}
