import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { GrpcInstrumentation } from './grpc/grpc.ts';
import { UndiciInstrumentation } from './http/fetch.ts';
import { KafkaJsInstrumentation } from './kafka/kafkajs.ts';
import { LruCacheInstrumentation } from './caches/lru-cache.ts';
import { NodeCacheInstrumentation } from './caches/node-cache.ts';
import { IORedisInstrumentation } from './databases/ioredis.ts';
import { MemcachedInstrumentation } from './databases/memcached.ts';
import { MemjsInstrumentation } from './databases/memjs.ts';
import { MongoDBInstrumentation } from './databases/mongodb.ts';
import { RedisInstrumentation } from './databases/redis.ts';
import { BunyanInstrumentation } from './logs/bunyan.ts';
import { PinoInstrumentation } from './logs/pino.ts';
import { WinstonInstrumentation } from './logs/winston.ts';

interface ModuleDefinition {
  name: string;
  patch?: unknown;
  supportedVersions: string[];
  files: { name: string; supportedVersions: string[] }[];
}
interface InstrumentationLike {
  getModuleDefinitions(): ModuleDefinition[];
}

/** One of auto-instrumentations-node, or of our own. */
export interface InstrumentationPackage {
  /** Short name, as in OTEL_NODE_ENABLED_INSTRUMENTATIONS. */
  name: string;
  /** The package, or a file of our own beside this one. */
  from: string;
  className: string;
  definitions: { name: string; main: boolean; files: string[]; ranges: string[] }[];
}

// Ours replaces it: see http/.
const REPLACED = new Set(['http']);
// Metrics only.
const NOT_TRACING = new Set(['host-metrics', 'runtime-node']);
type InstrumentationClass = new (config: { enabled: boolean }) => InstrumentationLike;
/**
 * Ours, and the file they are in. They replace the package's own, where there is one, or are derived from it; each says why.
 */
const OWN: Record<string, [file: string, Class: InstrumentationClass]> = {
  bunyan: ['logs/bunyan.ts', BunyanInstrumentation],
  grpc: ['grpc/grpc.ts', GrpcInstrumentation as unknown as InstrumentationClass],
  ioredis: ['databases/ioredis.ts', IORedisInstrumentation],
  kafkajs: ['kafka/kafkajs.ts', KafkaJsInstrumentation as unknown as InstrumentationClass],
  'lru-cache': ['caches/lru-cache.ts', LruCacheInstrumentation],
  memcached: ['databases/memcached.ts', MemcachedInstrumentation],
  memjs: ['databases/memjs.ts', MemjsInstrumentation],
  mongodb: ['databases/mongodb.ts', MongoDBInstrumentation],
  'node-cache': ['caches/node-cache.ts', NodeCacheInstrumentation],
  pino: ['logs/pino.ts', PinoInstrumentation],
  redis: ['databases/redis.ts', RedisInstrumentation],
  undici: ['http/fetch.ts', UndiciInstrumentation as unknown as InstrumentationClass],
  winston: ['logs/winston.ts', WinstonInstrumentation],
};
const NOISY = ['dns', 'fs', 'net'];
const PREFIX = '@opentelemetry/instrumentation-';

/** Reads from the installed packages which instrumentations there are and what they patch. */
export function readInstrumentations(root: string): InstrumentationPackage[] {
  const require = createRequire(`${root}/package.json`);
  const list = require.resolve('@opentelemetry/auto-instrumentations-node');
  const fromList = createRequire(list);
  const manifest = JSON.parse(
    readFileSync(`${root}/node_modules/@opentelemetry/auto-instrumentations-node/package.json`, 'utf8'),
  ) as { dependencies: Record<string, string> };
  const result: InstrumentationPackage[] = [];
  for (const [name, [file, Class]] of Object.entries(OWN)) result.push(described(name, file, Class));
  for (const dependency of Object.keys(manifest.dependencies)) {
    if (!dependency.startsWith(PREFIX)) continue;
    const name = dependency.slice(PREFIX.length);
    if (REPLACED.has(name) || NOT_TRACING.has(name) || name in OWN) continue;
    const exports = fromList(dependency) as Record<string, InstrumentationClass>;
    const className = Object.keys(exports).find(
      (key) => key.endsWith('Instrumentation') && typeof exports[key] === 'function',
    );
    if (className === undefined) throw new Error(`${dependency} has no class whose name ends with Instrumentation`);
    result.push(described(name, dependency, exports[className]!));
  }
  return result.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function described(name: string, from: string, Class: InstrumentationClass): InstrumentationPackage {
  const definitions = new Class({ enabled: false }).getModuleDefinitions().map((definition) => ({
    name: definition.name,
    main: typeof definition.patch === 'function',
    files: definition.files.map((file) => file.name.slice(definition.name.length + 1)),
    ranges: [definition, ...definition.files].flatMap((part) => part.supportedVersions),
  }));
  return { name, from, className: Class.name, definitions };
}

/** The table the agent looks libraries up in. */
export function libraryTable(instrumentations: InstrumentationPackage[], isBuiltin: (name: string) => boolean): object {
  const packages: Record<string, { instrumentations: string[]; main: boolean; files: string[] }> = {};
  const builtins: Record<string, string[]> = {};
  const classes: Record<string, string> = {};
  for (const { name, className, definitions } of instrumentations) {
    classes[name] = className;
    for (const definition of definitions) {
      if (isBuiltin(definition.name)) {
        (builtins[name] ??= []).push(definition.name);
        continue;
      }
      const entry = (packages[definition.name] ??= { instrumentations: [], main: false, files: [] });
      if (!entry.instrumentations.includes(name)) entry.instrumentations.push(name);
      entry.main ||= definition.main;
      entry.files = [...new Set([...entry.files, ...definition.files])];
    }
  }
  return { packages, builtins, classes, offByDefault: NOISY };
}
