import { baseArchive } from './bases.ts';
import type { Cluster } from './cluster.ts';
import { ISTIO_IMAGES, istiodArchive, istioProxyArchive } from './mesh/istio.ts';
import { collectorArchive } from './servers/collector.ts';
import { jaegerArchive } from './servers/jaeger.ts';
import { kafkaArchive } from './servers/kafka.ts';
import { memcachedArchive } from './servers/memcached.ts';
import { mongodbArchive } from './servers/mongodb.ts';
import { postgresArchive } from './servers/postgres.ts';
import { redisArchive } from './servers/redis.ts';

/** Servers that the demo and the tests run as pods, by the reference that a registry has them under. */
export const SERVERS = {
  postgres: { ref: 'postgres:15', archive: postgresArchive },
  redis: { ref: 'redis:7', archive: redisArchive },
  memcached: { ref: 'memcached:1.6', archive: memcachedArchive },
  mongodb: { ref: 'mongo:7', archive: mongodbArchive },
  kafka: { ref: 'apache/kafka:4.1.0', archive: kafkaArchive },
  // Jaeger 2.13.0 is the release that was made together with 1.76.0, whose Go module it is built from.
  jaeger: { ref: 'jaegertracing/jaeger:2.13.0', archive: jaegerArchive },
  collector: { ref: 'otel/opentelemetry-collector-contrib:0.160.0', archive: collectorArchive },
  // Older than the agent supports.
  'old-node': { ref: 'node:16-slim', archive: baseArchive },
  istiod: { ref: `${ISTIO_IMAGES.hub}/pilot:${ISTIO_IMAGES.tag}`, archive: istiodArchive },
  'istio-proxy': { ref: `${ISTIO_IMAGES.hub}/proxyv2:${ISTIO_IMAGES.tag}`, archive: istioProxyArchive },
} as const;

/** Those that the shop needs. */
export const SHOP_SERVERS = ['postgres', 'redis', 'memcached', 'mongodb', 'kafka'] as const;

export type ServerName = keyof typeof SERVERS;

/** Those that no registry has. */
export const OWN_SERVERS: readonly ServerName[] = ['istiod', 'istio-proxy'];

/**
 * Makes sure that pods can use a server's image, and returns its reference. Where Docker runs, the cluster pulls it from
 * the registry; else, or where no registry has it, an image of the same name is made here and loaded.
 */
export async function provideServer(cluster: Cluster, name: ServerName): Promise<string> {
  const { ref, archive } = SERVERS[name];
  if (cluster.flavor === 'source' || OWN_SERVERS.includes(name))
    await cluster.load({ ref, archive: await archive(ref) });
  return ref;
}
