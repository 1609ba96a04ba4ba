// Fetches what the agent's tests and the services' run on, where it is missing. Each of them would do it as well: this does it
// before, beside other stages.
//   node test/agent/fetch.ts
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { nodeBinary, NODE_LINES } from '../../injector/agent/runtimes/index.ts';
import { step } from '../cluster/progress.ts';
import { envoyFolder } from '../cluster/servers/envoy.ts';
import { kubeconformFolder } from '../cluster/kubeconform.ts';
import { prometheusFolder } from '../cluster/prometheus.ts';
import { ferretdbFolder } from '../cluster/servers/ferretdb.ts';
import { nginxFolder } from '../cluster/servers/nginx.ts';
import { installedKafka } from '../servers/kafka.ts';
import { installMemcached } from '../servers/memcached.ts';
import { installPostgres } from '../servers/postgres.ts';
import { installRedis } from '../servers/redis.ts';
import { installShop } from '../servers/shop.ts';
import { installChromium } from '../page/chromium.ts';
import { installedApp } from './app.ts';

const APPS = join(import.meta.dirname, 'apps');

const THINGS: readonly [string, () => unknown][] = [
  ...NODE_LINES.map((line): [string, () => unknown] => [`Node ${line}`, () => nodeBinary(line)]),
  ["the shop's packages", installShop],
  ['Postgres', installPostgres],
  ['Redis', installRedis],
  ['Memcached', installMemcached],
  ['Kafka', installedKafka],
  ['FerretDB', ferretdbFolder],
  ['Chromium', installChromium],
  ['NGINX', nginxFolder],
  ['Envoy', envoyFolder],
  ['kubeconform', kubeconformFolder],
  ['Prometheus', prometheusFolder],
  ...readdirSync(APPS).map((app): [string, () => unknown] => [
    `packages of ${app}`,
    () => installedApp(join(APPS, app)),
  ]),
];

for (const [name, fetch] of THINGS) await step(name, {}, () => Promise.resolve(fetch()));
