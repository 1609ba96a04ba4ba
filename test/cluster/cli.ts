import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { baseArchive, COMMON_BASES } from './bases.ts';
import { dockerRuns } from './choose.ts';
import { openCluster, type Cluster } from './cluster.ts';
import { buildBinaries } from './from-source/binaries.ts';
import { announce, formatDuration } from './progress.ts';
import { buildImage } from './images.ts';
import { CLUSTER_NEEDS, ensurePackages } from './packages.ts';
import { OWN_SERVERS, provideServer, SERVERS, type ServerName } from './servers.ts';

const HELP = `A real Kubernetes for this checkout: kind where Docker runs, otherwise one node built from its Go modules.

  up                     start it, or find it up already
  down                   remove every trace of it
  status                 say whether it is up, and how to reach it; the exit status is 0 if it is
  exec -- CMD...         run CMD where the cluster's addresses can be reached, with KUBECONFIG set and helm and kubectl in PATH
  build [SERVER...]      make what is slow to make (programs, tools, base images, or servers) and start nothing
  image REF DOCKERFILE CONTEXT   build an image and load it
  server NAME...         provide the image of a server: ${Object.keys(SERVERS).join(', ')}

TRACING_CLUSTER=kind|source overrides the choice; TRACING_CLUSTER_PURPOSE=test means the cluster of the tests, not the demo's. What is slow to make is kept in \${XDG_CACHE_HOME:-~/.cache}/tracing-operator.

Examples
  cli.ts up
  cli.ts exec -- kubectl get pods -A
  cli.ts image shop/order:dev examples/shop/order/Dockerfile examples/shop/order
  cli.ts server postgres jaeger
  cli.ts down
`;

async function main(): Promise<number> {
  const [verb, ...rest] = process.argv.slice(2);
  if (verb === undefined || verb === '--help' || verb === 'help') {
    process.stdout.write(HELP);
    return verb === undefined ? 2 : 0;
  }
  if (rest.includes('--help') && verb !== 'exec') {
    process.stdout.write(HELP);
    return 0;
  }
  const cluster = await openCluster();
  switch (verb) {
    case 'up':
      return up(cluster);
    case 'down':
      await cluster.down();
      return 0;
    case 'status':
      return status(cluster);
    case 'exec':
      return exec(cluster, rest[0] === '--' ? rest.slice(1) : rest);
    case 'build':
      announce(cluster.why);
      if (rest.length > 0) await buildServers(serverNames(rest), cluster);
      else if (cluster.flavor === 'source') await prepare();
      return 0;
    case 'image': {
      const [ref, dockerfile, context] = rest;
      if (ref === undefined || dockerfile === undefined || context === undefined)
        throw new Error('image needs REF DOCKERFILE CONTEXT');
      const image = await buildImage({ ref, dockerfile, context });
      await cluster.load(image);
      announce(`${image.ref}: ${(image.bytes / 1e6).toFixed(1)} MB, ${image.archive}`);
      return 0;
    }
    case 'server':
      for (const name of serverNames(rest)) process.stdout.write(`${await provideServer(cluster, name)}\n`);
      return 0;
    default:
      process.stderr.write(`no verb ${JSON.stringify(verb)}\n\n${HELP}`);
      return 2;
  }
}

/** Programs and base images: all that needs the network, which commands inside the cluster's network do not have. */
async function prepare(): Promise<void> {
  await ensurePackages(CLUSTER_NEEDS);
  await buildBinaries();
  if (!(await dockerRuns())) for (const base of COMMON_BASES) await baseArchive(base);
}

function serverNames(given: readonly string[]): ServerName[] {
  const unknown = given.filter((name) => !(name in SERVERS));
  if (unknown.length > 0)
    throw new Error(`no server named ${unknown.join(' or ')}; there are: ${Object.keys(SERVERS).join(', ')}`);
  return given as ServerName[];
}

async function buildServers(names: readonly ServerName[], { flavor }: Cluster): Promise<void> {
  for (const name of names)
    if (flavor === 'source' || OWN_SERVERS.includes(name)) await SERVERS[name].archive(SERVERS[name].ref);
}

async function up(cluster: Cluster): Promise<number> {
  const started = performance.now();
  announce(cluster.why);
  const result = await cluster.up();
  const what = result === 'reused' ? 'was up already' : 'is up';
  announce(
    `The cluster ${cluster.names.cluster} ${what} (${formatDuration(performance.now() - started)}). Try: cli.ts exec -- kubectl get pods -A`,
  );
  return 0;
}

async function status(cluster: Cluster): Promise<number> {
  const isUp = await cluster.isUp();
  process.stdout.write(`${cluster.why}\n${cluster.names.cluster}: ${isUp ? 'up' : 'down'}\n`);
  if (isUp) process.stdout.write(`KUBECONFIG=${cluster.kubeconfig}\n`);
  return isUp ? 0 : 1;
}

/** Our own end waits for the command's; signals from the terminal reach it as well, as it is in our process group. */
async function exec(cluster: Cluster, command: readonly string[]): Promise<number> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error('exec needs a command: cli.ts exec -- kubectl get pods -A');
  if (!(await cluster.isUp()))
    throw new Error('The cluster is not up. Start it with make demo, or alone with node test/cluster/cli.ts up');
  const child = spawn(...cluster.wrap(program, args), { stdio: 'inherit', env: cluster.environment() });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
