import { startKafka, type Kafka } from './kafka.ts';
import { startMemcached, type Memcached } from './memcached.ts';
import { startMongo, type MongoDb } from './mongodb.ts';
import { startPostgres, type Postgres } from './postgres.ts';
import { startRedis, type Redis } from './redis.ts';

/** The servers that the shop needs, as processes of this machine. */
export interface Backends {
  postgres: Postgres;
  redis: Redis;
  memcached: Memcached;
  mongodb: MongoDb;
  kafka: Kafka;
  /** The variables by which the shop's services find them. */
  env: Record<string, string>;
  stop(): Promise<void>;
}

/** Starts them all; none keeps anything when it is stopped. */
export async function startBackends(): Promise<Backends> {
  const started: { stop(): Promise<void> }[] = [];
  const start = async <T extends { stop(): Promise<void> }>(server: Promise<T>): Promise<T> => {
    const running = await server;
    started.push(running);
    return running;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
  };
  try {
    // One after the other: each may install its package.
    const postgres = await start(startPostgres());
    const redis = await start(startRedis());
    const memcached = await start(startMemcached());
    const mongodb = await start(startMongo());
    const kafka = await start(startKafka());
    const env = {
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      MEMCACHED_ADDRESS: memcached.address,
      MONGODB_URL: mongodb.url,
      KAFKA_BROKERS: kafka.broker,
    };
    return { postgres, redis, memcached, mongodb, kafka, env, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
