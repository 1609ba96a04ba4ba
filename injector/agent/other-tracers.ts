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

/** Whether a package of this name traces the process that loads it. */
export function isTracer(packageName: string): boolean {
  return TRACERS.has(packageName);
}

/** The first tracer among files that were loaded before us. */
export function loadedTracer(files: string[]): string | undefined {
  for (const file of files) {
    const name = /[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)[\\/](?!.*[\\/]node_modules[\\/])/.exec(file)?.[1];
    if (name !== undefined && TRACERS.has(name.replaceAll('\\', '/'))) return name;
  }
  return undefined;
}
