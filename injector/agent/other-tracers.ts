/** Packages that trace a process by themselves: two tracers in one process break each other. */
const TRACERS = new Set([
  'dd-trace',
  'newrelic',
  'elastic-apm-node',
  'appdynamics',
  'applicationinsights',
  '@dynatrace/oneagent',
  '@instana/collector',
  'skyapm-nodejs',
  '@contrast/agent',
  'solarwinds-apm',
  '@lumigo/tracer',
]);

/** Packages that only trace once they register a provider. */
const SDKS = /^@opentelemetry\/(sdk-trace|sdk-trace-base|sdk-trace-node|sdk-node|auto-instrumentations-node)$/;

/** What loading a package means for us: nothing, step aside, or make room in case it registers. */
export type Meaning = 'tracer' | 'sdk' | undefined;

/** Looks at the name of a package. */
export function meaningOf(packageName: string): Meaning {
  if (TRACERS.has(packageName)) return 'tracer';
  return SDKS.test(packageName) ? 'sdk' : undefined;
}

/** The first tracer among files that were loaded before us. */
export function loadedTracer(files: string[]): string | undefined {
  for (const file of files) {
    const name = /[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)[\\/](?!.*[\\/]node_modules[\\/])/.exec(file)?.[1];
    if (name !== undefined && TRACERS.has(name.replaceAll('\\', '/'))) return name;
  }
  return undefined;
}
