import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Background } from './background.ts';
import { openCluster, type Cluster } from './cluster/cluster.ts';
import { announce, formatDuration } from './cluster/progress.ts';
import { OWN_SERVERS, provideServer, SHOP_SERVERS, type ServerName } from './cluster/servers.ts';
import { buildImages, loadImages, type Images } from './demo/prepare.ts';

const HELP = `Runs every test of the project and ends with the line "N passed, N failed".

Usage:
  node test/run.ts [--only STAGE[,STAGE…]] [--files PATTERN] [--keep]

Stages, in order:
  types, lint         the compiler, ESLint and Prettier; each counts as one test
  unit                pure code
  agent               real Node processes of several versions under the agent
  services            the shop as local processes against real servers
  integration, e2e    a real cluster of their own: the API server; pods. What disturbs the operator (test/e2e/alone), and
                      then what needs large servers (test/e2e/servers), has another one, at the same time

What later stages need and is not there yet (packages, Kubernetes, servers) is made in the background from the beginning.

Options:
  --only   these stages alone
  --files  of these stages only the test files whose path matches this regular expression
  --keep   leave the tests' clusters up: the next run starts faster, and they can be looked at

Examples:
  node test/run.ts
  node test/run.ts --only integration,e2e --keep
  node test/run.ts --only e2e --files alone/policies --keep
`;

const CHECKOUT = resolve(import.meta.dirname, '..');
const JEST = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
const PLAIN = { types: ['npm', 'run', '--silent', 'types'], lint: ['npm', 'run', '--silent', 'lint'] };
const LOCAL = ['unit', 'agent', 'services'];
const CLUSTER = ['integration', 'e2e'];
const FETCHING = ['agent', 'services'];
/** What runs gateways' own code. */
const GATEWAYS = ['services', 'alone'];
/** Test files that run beside each other, where it is not as many as there are processors: mostly they wait for pods. */
const WORKERS: Readonly<Record<string, number>> = { integration: 1, e2e: 2, alone: 1, servers: 1 };
/** Of the stage e2e, those that disturb the operator: what needs no server before what waits until these are built. */
const DISTURBING = ['alone', 'servers'];
/** What pods of these tests run or talk to; it is made in this order. */
const SERVERS_OF: Readonly<Record<string, readonly ServerName[]>> = {
  e2e: ['collector', 'old-node'],
  servers: ['collector', ...SHOP_SERVERS, 'jaeger', ...OWN_SERVERS],
};

interface Count {
  passed: number;
  failed: number;
}

async function succeeds(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<boolean> {
  const child = spawn(command, args, { cwd: CHECKOUT, stdio: ['ignore', 'inherit', 'inherit'], env });
  return new Promise((done) => {
    child.on('error', () => done(false));
    child.on('close', (code) => done(code === 0));
  });
}

/** Runs one Jest project and counts its tests; a suite that could not run counts as a failed test. */
async function jest(
  project: string,
  files: string[],
  run: (command: string, args: string[]) => Promise<boolean> = succeeds,
): Promise<Count> {
  const directory = mkdtempSync(join(tmpdir(), 'tracing-test-'));
  const report = join(directory, 'report.json');
  const workers = WORKERS[project] === undefined ? [] : [`--maxWorkers=${WORKERS[project]}`];
  const args = [...JEST, '--selectProjects', project, '--json', `--outputFile=${report}`, ...workers, ...files];
  try {
    const good = await run(process.execPath, args);
    const result = JSON.parse(readFileSync(report, 'utf8')) as {
      numPassedTests: number;
      numFailedTests: number;
      numRuntimeErrorTestSuites: number;
      numPendingTests: number;
    };
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites + result.numPendingTests;
    return { passed: result.numPassedTests, failed: failed === 0 && !good ? 1 : failed };
  } catch (error) {
    announce(`${project} gave no report: ${String(error)}`);
    return { passed: 0, failed: 1 };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What is made in the background, by what needs it. */
interface Made {
  packages?: Background;
  gateways?: Background;
  cluster?: Background;
  /** By Jest project. */
  servers: Record<string, Background>;
}

function makeInBackground(stages: readonly string[], projects: readonly string[]): Made {
  const made: Made = { servers: {} };
  const build = ['test/cluster/cli.ts', 'build'];
  if (FETCHING.some((stage) => stages.includes(stage)))
    // It is waited for soonest.
    made.packages = new Background('what the tests of the agent run on', ['test/agent/fetch.ts'], { niceness: 5 });
  if (GATEWAYS.some((each) => stages.includes(each) || projects.includes(each)))
    made.gateways = new Background('what gateways configure themselves by', ['test/edge/fetch.ts'], {
      after: made.packages,
      niceness: 10,
    });
  // Nobody is to stand back for stages that are not there.
  const niceness = stages.every((stage) => CLUSTER.includes(stage)) ? 0 : 15;
  if (CLUSTER.some((stage) => stages.includes(stage))) made.cluster = new Background('Kubernetes', build, { niceness });
  let after = made.cluster;
  for (const [project, servers] of Object.entries(SERVERS_OF))
    if (projects.includes(project))
      after = made.servers[project] = new Background(servers.join(', '), [...build, ...servers], { after, niceness });
  return made;
}

/** Jest projects that run one after the other on a cluster of their own, so that a demo that is up is not disturbed. */
interface Lane {
  readonly purpose: string;
  readonly projects: readonly string[];
}

/** What disturbs the operator has a cluster of its own, beside that of the others. */
function lanes(stages: readonly string[], files: readonly string[]): Lane[] {
  const ofE2e = ['e2e', ...DISTURBING].filter((project) => files.length === 0 || hasTests(project, files));
  const e2e = stages.includes('e2e') ? ofE2e : [];
  const projects = [...stages.filter((stage) => stage !== 'e2e'), ...e2e.filter((project) => project === 'e2e')];
  const all = [
    { purpose: 'test', projects },
    { purpose: 'test-alone', projects: e2e.filter((project) => DISTURBING.includes(project)) },
  ];
  const busy = all.filter((lane) => lane.projects.length > 0);
  // Jest then says that there is no such file.
  return busy.length > 0 ? busy : [{ purpose: 'test', projects: ['e2e'] }];
}

function hasTests(project: string, files: readonly string[]): boolean {
  const args = [...JEST, '--selectProjects', project, '--listTests', ...files];
  return spawnSync(process.execPath, args, { cwd: CHECKOUT, encoding: 'utf8' }).stdout.includes('.test.ts');
}

async function onCluster(lane: Lane, context: { files: string[]; keep: boolean; made: Made; timed: Timed }) {
  const { files, keep, made, timed } = context;
  let cluster: Cluster | undefined;
  try {
    await made.cluster?.done();
    if (lane.projects.some((project) => GATEWAYS.includes(project)))
      await made.gateways?.done().catch((error: Error) => announce(error.message));
    cluster = await openCluster(lane.purpose);
    announce(cluster.why);
    await cluster.up();
    for (const project of lane.projects) {
      const env = { ...cluster.environment(), TRACING_CLUSTER_PURPOSE: lane.purpose };
      const images = project === 'integration' ? {} : await imagesOn(cluster, project, made);
      const inCluster = cluster.wrap.bind(cluster);
      await timed(project, () =>
        jest(project, files, (command, args) => succeeds(...inCluster(command, args), { ...env, ...images })),
      );
    }
  } catch (error) {
    announce(error instanceof Error ? error.message : String(error));
    await timed('cluster', () => Promise.resolve({ passed: 0, failed: 1 }));
  } finally {
    if (!keep) await cluster?.down();
  }
}

let images: Promise<Images> | undefined;

/** Loads what pods run; our own images are built once, for all clusters. */
async function imagesOn(cluster: Cluster, project: string, made: Made): Promise<NodeJS.ProcessEnv> {
  await made.servers[project]?.done();
  const built = await (images ??= buildImages());
  await loadImages(cluster, built);
  for (const server of SERVERS_OF[project] ?? []) await provideServer(cluster, server);
  return { TRACING_TEST_IMAGES: JSON.stringify(built) };
}

type Timed = (stage: string, work: () => Promise<Count>) => Promise<void>;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      files: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  const all = [...Object.keys(PLAIN), ...LOCAL, ...CLUSTER];
  const wanted = values.only?.split(',') ?? all;
  const unknown = wanted.filter((stage) => !all.includes(stage));
  if (values.help || unknown.length > 0) {
    process.stdout.write(unknown.length > 0 ? `no such stage: ${unknown.join(', ')}\n\n${HELP}` : HELP);
    process.exitCode = unknown.length > 0 ? 2 : 0;
    return;
  }

  // `make check` is to take less than a minute, and makes fewer.
  process.env['GENERATED_PODS'] ??= '2000';
  const files = values.files === undefined ? [] : [values.files];
  const results: (Count & { stage: string; time: string })[] = [];
  const timed: Timed = async (stage, work) => {
    announce(`\n── ${stage}`);
    const began = performance.now();
    results.push({ stage, ...(await work()), time: formatDuration(performance.now() - began) });
  };
  const stages = CLUSTER.filter((stage) => wanted.includes(stage));
  const ofCluster = stages.length > 0 ? lanes(stages, files) : [];
  const projects = ofCluster.flatMap((lane) => lane.projects);
  const made = makeInBackground(wanted, projects);
  for (const [stage, [command, ...args]] of Object.entries(PLAIN))
    if (wanted.includes(stage))
      await timed(stage, async () => {
        const good = await succeeds(command!, args);
        return { passed: Number(good), failed: Number(!good) };
      });
  for (const stage of LOCAL) {
    if (!wanted.includes(stage)) continue;
    // What could not be fetched is tried again by the test that needs it, which says so.
    const needed = [FETCHING.includes(stage) && made.packages, GATEWAYS.includes(stage) && made.gateways];
    for (const each of needed) if (each) await each.done().catch((error: Error) => announce(error.message));
    await timed(stage, () => jest(stage, files));
  }
  const context = { files, keep: values.keep, made, timed };
  await Promise.all(ofCluster.map((lane) => onCluster(lane, context)));

  process.stdout.write('\n');
  for (const { stage, passed, failed, time } of results)
    process.stdout.write(
      `${stage.padEnd(12)} ${String(passed).padStart(5)} passed ${String(failed).padStart(3)} failed   ${time}\n`,
    );
  const total = (key: 'passed' | 'failed') => results.reduce((sum, result) => sum + result[key], 0);
  process.stdout.write(`\n${total('passed')} passed, ${total('failed')} failed\n`);
  process.exitCode = total('failed') === 0 && total('passed') > 0 ? 0 : 1;
}

await main();
