import type { TracingPolicySpec } from '../../crds/tracing-policy.ts';
import { didYouMean } from '../suggestion.ts';
import type { Advice } from './advice.ts';

/** What the agent of this version instruments. */
export const KNOWN = [
  ...['amqplib', 'aws-lambda', 'aws-sdk', 'bunyan', 'cassandra-driver', 'connect', 'cucumber', 'dataloader', 'dns'],
  ...['express', 'fs', 'generic-pool', 'graphql', 'grpc', 'hapi', 'host-metrics', 'http', 'ioredis', 'kafkajs'],
  ...['knex', 'koa', 'lru-cache', 'lru-memoizer', 'memcached', 'memjs', 'mongodb', 'mongoose', 'mysql', 'mysql2'],
  ...['nestjs-core', 'net', 'node-cache', 'openai', 'oracledb', 'pg', 'pino', 'redis', 'restify', 'router'],
  ...['runtime-node', 'socket.io', 'tedious', 'undici', 'winston'],
];

/** Names that the agent would report as not known, in each process. Pure. */
export function adviceOnInstrumentations({ instrumentations = [] }: TracingPolicySpec): Advice[] {
  return instrumentations.flatMap(({ name }, index) =>
    KNOWN.includes(name)
      ? []
      : [
          {
            path: ['instrumentations', index, 'name'],
            rule: 'UnknownInstrumentation',
            what: `the agent of this version does not know ${name}, and the policy will be Degraded.${didYouMean(name, KNOWN)}`,
            why: 'what an agent does not know it leaves out and reports; an agent of another version may know it',
            example: '{name: pg, enabled: false}; all names: docs/reference/instrumentations.md',
          },
        ],
  );
}
