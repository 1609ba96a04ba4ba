import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { nodeBinary } from '../../injector/agent/runtimes/index.ts';

export const ROOT = join(import.meta.dirname, '../..');

/** Folder of the agent under test. */
export function agentDirectory(): string {
  return process.env['AGENT_DIR'] ?? join(ROOT, 'dist/agent');
}

/** How a Node process is started in a test. */
export interface Start {
  /** Node line, e.g. `20`. */
  line?: string;
  args: string[];
  /** False starts it bare. */
  agent?: boolean;
  env?: Record<string, string>;
  cwd?: string;
  stdin?: string;
  /** Called once the process runs. */
  during?: (child: ChildProcess) => void | Promise<void>;
  timeoutMillis?: number;
}

/** How it ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  millis: number;
}

/** Only what a process needs: a test must not depend on the variables of the machine it runs on. */
function environment(start: Start): Record<string, string> {
  const options = start.agent === false ? undefined : `--require ${join(agentDirectory(), 'register.cjs')}`;
  const extra = start.env?.['NODE_OPTIONS'];
  const nodeOptions = [options, extra].filter((part) => part !== undefined).join(' ');
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '/',
    ...start.env,
    ...(nodeOptions ? { NODE_OPTIONS: nodeOptions } : {}),
  };
}

/** Starts a process and leaves it running. */
export function startNode(start: Start): ChildProcess {
  return spawn(nodeBinary(start.line ?? '24'), start.args, {
    cwd: start.cwd ?? ROOT,
    env: environment(start),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Runs a process to its end. */
export async function runNode(start: Start): Promise<Ended> {
  const began = performance.now();
  const child = startNode(start);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(start.stdin ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), start.timeoutMillis ?? 20_000);
  const closed = once(child, 'close');
  await start.during?.(child);
  const [code, signal] = (await closed) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  return { code, signal, stdout, stderr, millis: performance.now() - began };
}

/** A server that has said `listening PORT` on stdout. */
export interface RunningServer {
  url: string;
  child: ChildProcess;
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts a server and waits until it listens. */
export async function startServer(start: Start): Promise<RunningServer> {
  const child = startNode(start);
  let output = '';
  const listening = new Promise<string>((resolve, reject) => {
    const take = (text: string): void => {
      output += text;
      const port = /listening (\d+)/.exec(output)?.[1];
      if (port) resolve(port);
    };
    child.stdout?.setEncoding('utf8').on('data', take);
    child.stderr?.setEncoding('utf8').on('data', take);
    child.once('exit', (code) => reject(new Error(`ended with ${code} before it listened:\n${output}`)));
    const patience = start.timeoutMillis ?? 20_000;
    setTimeout(() => reject(new Error(`does not listen after ${patience} ms:\n${output}`)), patience).unref();
  });
  try {
    const port = await listening;
    return {
      url: `http://127.0.0.1:${port}`,
      child,
      output: () => output,
      stop: async (signal = 'SIGTERM') => {
        if (child.exitCode !== null || child.signalCode !== null)
          return { code: child.exitCode, signal: child.signalCode };
        const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
        child.kill(signal);
        const [code, ending] = await ended;
        return { code, signal: ending };
      },
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}
