import { baseArchive } from './bases.ts';
import type { Cluster } from './cluster.ts';
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
} as const;

/** Those that the shop needs. */
export const SHOP_SERVERS = ['postgres', 'redis', 'memcached', 'mongodb', 'kafka'] as const;

export type ServerName = keyof typeof SERVERS;

/**
 * Makes sure that pods can use a server's image, and returns its reference. Where Docker runs, the cluster pulls it from
 * the registry; else an image of the same name is made here and loaded.
 */
export async function provideServer(cluster: Cluster, name: ServerName): Promise<string> {
  const { ref, archive } = SERVERS[name];
  if (cluster.flavor === 'source') await cluster.load({ ref, archive: await archive(ref) });
  return ref;
}
