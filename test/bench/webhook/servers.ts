import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { until } from '../../cluster/progress.ts';
import { freePort } from '../../servers/free-port.ts';
import { issue } from '../../../webhook/certificates.ts';
import { peerFolder } from './peer.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');
/** USER_HZ, in which the kernel counts processor time; 100 on every Linux that Node runs on. */
const TICKS = 100;
const PAGE = 4096;

/** A webhook as a process of its own, on one processor. */
export class Webhook {
  readonly port: number;
  readonly path: string;
  /** By whom its certificate is signed, PEM; empty for ours, which keeps it to itself. */
  readonly authority: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, folder: string, port: number, path: string, authority = '') {
    this.#child = child;
    this.#folder = folder;
    this.port = port;
    this.path = path;
    this.authority = authority;
  }

  /** The operator as its image runs it, beside the cluster. */
  static async ours(namespace: string, processor: number): Promise<Webhook> {
    const folder = mkdtempSync(join(tmpdir(), 'tracing-webhook-'));
    const [port, reports, probes] = [await freePort(), await freePort(), await freePort()];
    const config = join(folder, 'config.json');
    writeFileSync(join(folder, 'token'), 'none');
    writeFileSync(
      config,
      JSON.stringify({
        namespace,
        lease: 'bench',
        agent: { image: 'tracing-acme/agent:0.1.0' },
        webhook: {
          port,
          service: 'bench',
          configuration: 'bench.tracing.acme',
          // Nobody has made it, and there is nothing by which it would be put back.
          manifests: [{ metadata: { name: 'bench.tracing.acme' } }],
          secret: 'bench',
        },
        reports: { port: reports, peers: 'bench', token: join(folder, 'token'), serviceAccount: 'bench' },
        probePort: probes,
      }),
    );
    const program = ['--max-semi-space-size=4', join(CHECKOUT, 'dist/operator/main.cjs'), '--config', config];
    // As operator/Dockerfile has it.
    const env = { NODE_ENV: 'production', MALLOC_ARENA_MAX: '2' };
    const child = pinned(processor, process.execPath, program, folder, env);
    const ready = () =>
      fetch(`http://127.0.0.1:${probes}/readyz`).then(
        ({ status }) => status === 200,
        () => false,
      );
    return started(new Webhook(child, folder, port, '/mutate'), ready);
  }

  static async theirs(processor: number): Promise<Webhook> {
    const folder = mkdtempSync(join(tmpdir(), 'tracing-webhook-'));
    const [port, metrics, probes] = [await freePort(), await freePort(), await freePort()];
    // Where controller-runtime looks for it.
    const certificates = join(folder, 'k8s-webhook-server/serving-certs');
    mkdirSync(certificates, { recursive: true });
    const { ca, certificate, privateKey } = await issue(['localhost'], Date.now());
    writeFileSync(join(certificates, 'tls.crt'), certificate);
    writeFileSync(join(certificates, 'tls.key'), privateKey);
    const flags = [
      `--webhook-port=${port}`,
      `--metrics-addr=127.0.0.1:${metrics}`,
      `--health-probe-addr=127.0.0.1:${probes}`,
      '--enable-leader-election=false',
      '--auto-instrumentation-nodejs-image=example.com/autoinstrumentation-nodejs:1',
      '--zap-log-level=info',
    ];
    const child = pinned(processor, join(await peerFolder(), 'manager'), flags, folder, { TMPDIR: folder });
    const ready = () =>
      new Promise<boolean>((done) => {
        const socket = net.connect(port, '127.0.0.1', () => done(true));
        socket.on('error', () => done(false)).on('connect', () => socket.destroy());
      });
    return started(new Webhook(child, folder, port, '/mutate-v1-pod', ca), ready);
  }

  /** Seconds of processor time, all threads. */
  cpu(): number {
    // The name of the program, in brackets, may have blanks in it.
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  }

  /** Megabytes that are resident. */
  resident(): number {
    return (Number(readFileSync(`/proc/${this.#child.pid}/statm`, 'utf8').split(' ')[1]) * PAGE) / 1e6;
  }

  get log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8');
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async stop(): Promise<void> {
    if (!this.ended) {
      this.#child.kill('SIGKILL');
      await once(this.#child, 'exit');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function pinned(
  processor: number,
  program: string,
  args: string[],
  folder: string,
  env: NodeJS.ProcessEnv,
): ChildProcess {
  const log = openSync(join(folder, 'log'), 'w');
  return spawn('taskset', ['--cpu-list', String(processor), program, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', log, log],
  });
}

async function started(webhook: Webhook, ready: () => Promise<boolean>): Promise<Webhook> {
  try {
    await until('a webhook is not ready', 60_000, async () => {
      if (webhook.ended) throw new Error('a webhook has ended');
      return ready();
    });
    return webhook;
  } catch (error) {
    const { log } = webhook;
    await webhook.stop();
    throw new Error(`${String(error)}; its log ends:\n${log.slice(-2000)}`, { cause: error });
  }
}
