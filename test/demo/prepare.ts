import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Cluster } from '../cluster/cluster.ts';
import { run } from '../cluster/command.ts';
import { buildImage } from '../cluster/images.ts';
import type { BuiltImage } from '../cluster/images.ts';
import { step } from '../cluster/progress.ts';
import { provideServer } from '../cluster/servers.ts';
import { installShop } from '../servers/shop.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');

/** The images that this repository makes. */
export interface Images {
  operator: BuiltImage;
  agent: BuiltImage;
  shop: BuiltImage;
}

/** Builds the operator, the agent and the shop into images and loads them, with those of Postgres and Jaeger. */
export async function prepareImages(cluster: Cluster): Promise<Images> {
  const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string };
  await step('bundling the operator and the agent', { usually: '5 s' }, async () => {
    for (const script of ['operator/build.ts', 'injector/agent/build.ts']) {
      await run(process.execPath, [script], { cwd: CHECKOUT });
    }
  });
  await step("installing the shop's dependencies", { usually: '5 s, nothing when they are there' }, installShop);
  const build = (name: string, dockerfile: string, context: string) =>
    buildImage({
      ref: `tracing-acme/${name}:${version}`,
      dockerfile: join(CHECKOUT, dockerfile),
      context: join(CHECKOUT, context),
    });
  const images = {
    operator: await build('operator', 'operator/Dockerfile', 'dist'),
    agent: await build('agent', 'injector/agent/Dockerfile', 'dist'),
    shop: await build('shop', 'examples/shop/Dockerfile', 'examples/shop'),
  };
  for (const image of Object.values(images)) await cluster.load(image);
  await provideServer(cluster, 'postgres');
  await provideServer(cluster, 'jaeger');
  return images;
}
