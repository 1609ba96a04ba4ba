import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages } from '../cluster/packages.ts';
import { step } from '../cluster/progress.ts';
import { freePort } from './free-port.ts';
import { answers, startLocalServer, type LocalServer } from './local-server.ts';

/** A Kafka of one node on loopback; what it has stored goes away with it. */
export interface Kafka extends LocalServer {
  /** `host:port`. */
  broker: string;
}

const VERSION = '4.1.0';
// One thread of garbage collection and quick code: it starts and holds a few messages.
const JVM = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/** Starts a broker; its program comes from Maven's repository, once. */
export async function startKafka(): Promise<Kafka> {
  const classPath = join(await installedKafka(), '*');
  const directory = mkdtempSync(join(tmpdir(), 'tracing-kafka-'));
  const [port, controller] = [await freePort(), await freePort()];
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': join(directory, 'data'),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
  };
  const file = join(directory, 'server.properties');
  writeFileSync(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const java = (program: string, ...args: string[]): string[] => [...JVM, '-cp', classPath, program, ...args];
  execFileSync('java', java('kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qk', '-c', file), {
    stdio: 'pipe',
  });
  const server = await startLocalServer({
    name: 'Kafka',
    command: 'java',
    args: java('kafka.Kafka', file),
    directory,
    isReady: () => answers(port),
    patienceMs: 120_000,
  });
  return { broker: `127.0.0.1:${port}`, ...server };
}

/** The folder of its jars, in the user's cache. */
export async function installedKafka(): Promise<string> {
  await ensurePackages([
    { package: 'default-jre-headless', provides: 'java' },
    { package: 'maven', provides: 'mvn' },
  ]);
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const target = join(cache, 'tracing-operator', `kafka-${VERSION}`);
  if (existsSync(target)) return target;
  const staging = `${target}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  const dependency = `<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version>`;
  writeFileSync(
    join(staging, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tracing.acme</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies><dependency>${dependency}</dependency></dependencies></project>\n`,
  );
  await step(`fetching Kafka ${VERSION}`, { usually: '10 to 60 s' }, () => {
    const goal = ['dependency:copy-dependencies', '-DoutputDirectory=lib'];
    execFileSync('mvn', ['-q', '-B', ...goal], { cwd: staging, stdio: ['ignore', 'ignore', 'pipe'] });
    return Promise.resolve();
  });
  renameSync(join(staging, 'lib'), `${staging}.lib`);
  rmSync(staging, { recursive: true, force: true });
  try {
    renameSync(`${staging}.lib`, target);
  } catch (error) {
    // Another run was quicker.
    if (!existsSync(target)) throw error;
    rmSync(`${staging}.lib`, { recursive: true, force: true });
  }
  return target;
}
