import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Background } from './background.ts';
import { openCluster, type Cluster } from './cluster/cluster.ts';
import { announce, formatDuration } from './cluster/progress.ts';
import { provideServer, SERVERS } from './cluster/servers.ts';
import { prepareImages } from './demo/prepare.ts';

const HELP = `Runs every test of the project and ends with the line "N passed, N failed".

Usage:
  node test/run.ts [--only STAGE[,STAGE…]] [--files PATTERN] [--keep]

Stages, in order:
  types, lint         the compiler, ESLint and Prettier; each counts as one test
  unit                pure code
  agent               real Node processes of several versions under the agent
  services            the shop as local processes against real servers
  integration, e2e    a real cluster of their own: the API server; pods

What later stages need and is not there yet (packages, Kubernetes, servers) is made in the background from the beginning.

Options:
  --only   these stages alone
  --files  of these stages only the test files whose path matches this regular expression
  --keep   leave the tests' cluster up: the next run starts faster, and it can be looked at

Examples:
  node test/run.ts
  node test/run.ts --only integration,e2e --keep
  node test/run.ts --only e2e --files e2e/policies --keep
`;

const CHECKOUT = resolve(import.meta.dirname, '..');
const JEST = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
const PLAIN = { types: ['tsc', '--noEmit'], lint: ['npm', 'run', '--silent', 'lint'] };
const LOCAL = ['unit', 'agent', 'services'];
const CLUSTER = ['integration', 'e2e'];
const FETCHING = ['agent', 'services'];

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
  const serial = CLUSTER.includes(project) ? ['--runInBand'] : [];
  const args = [...JEST, '--selectProjects', project, '--json', `--outputFile=${report}`, ...serial, ...files];
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
  cluster?: Background;
  servers?: Background;
}

function makeInBackground(stages: readonly string[]): Made {
  const made: Made = {};
  const build = ['test/cluster/cli.ts', 'build'];
  if (FETCHING.some((stage) => stages.includes(stage)))
    // It is waited for soonest.
    made.packages = new Background('what the tests of the agent run on', ['test/agent/fetch.ts'], { niceness: 5 });
  if (CLUSTER.some((stage) => stages.includes(stage))) made.cluster = new Background('Kubernetes', build);
  if (stages.includes('e2e'))
    made.servers = new Background('the servers', [...build, ...Object.keys(SERVERS)], { after: made.cluster });
  return made;
}

/** The stages that need a cluster, in one of their own, so that a demo that is up is not disturbed. */
async function onCluster(stages: string[], files: string[], keep: boolean, made: Made, timed: Timed): Promise<void> {
  process.env['TRACING_CLUSTER_PURPOSE'] = 'test';
  let cluster: Cluster | undefined;
  try {
    await made.cluster?.done();
    cluster = await openCluster();
    announce(cluster.why);
    await cluster.up();
    for (const stage of stages) {
      const env = cluster.environment();
      if (stage === 'e2e') {
        await made.servers?.done();
        env['TRACING_TEST_IMAGES'] = JSON.stringify(await prepareImages(cluster));
        await provideServer(cluster, 'collector');
      }
      const inCluster = cluster.wrap.bind(cluster);
      await timed(stage, () => jest(stage, files, (command, args) => succeeds(...inCluster(command, args), env)));
    }
  } catch (error) {
    announce(error instanceof Error ? error.message : String(error));
    await timed('cluster', () => Promise.resolve({ passed: 0, failed: 1 }));
  } finally {
    if (!keep) await cluster?.down();
  }
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
  const made = makeInBackground(wanted);
  for (const [stage, [command, ...args]] of Object.entries(PLAIN))
    if (wanted.includes(stage))
      await timed(stage, async () => {
        const good = await succeeds(command!, args);
        return { passed: Number(good), failed: Number(!good) };
      });
  for (const stage of LOCAL) {
    if (!wanted.includes(stage)) continue;
    // What could not be fetched is tried again by the test that needs it, which says so.
    if (FETCHING.includes(stage)) await made.packages?.done().catch((error: Error) => announce(error.message));
    await timed(stage, () => jest(stage, files));
  }
  const stages = CLUSTER.filter((stage) => wanted.includes(stage));
  if (stages.length > 0) await onCluster(stages, files, values.keep, made, timed);

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
