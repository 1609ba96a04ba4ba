import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { until } from '../cluster/progress.ts';

/** A server that runs as a process of this machine. */
export interface LocalServer {
  /** Ends its process, as an outage would; what it has on disk stays. */
  down(): Promise<void>;
  /** Starts it again, on the same port. */
  up(): Promise<void>;
  /** Ends it and removes its directory. */
  stop(): Promise<void>;
}

/** How it is started. */
export interface Program {
  /** As in "Postgres did not start". */
  name: string;
  command: string;
  args: readonly string[];
  /** Its own, which goes away with it; it runs there. */
  directory: string;
  /** As whom it runs, if not as this process. */
  owner?: { uid: number; gid: number } | undefined;
  /** Ends it at once, open connections included. */
  signal?: NodeJS.Signals;
  /** `log` is what it wrote since this start. */
  isReady: (log: string) => Promise<boolean>;
  patienceMs: number;
}

/** Starts a server and waits until it is ready. */
export async function startLocalServer(program: Program): Promise<LocalServer> {
  const { name, command, args, directory, owner, signal = 'SIGKILL', isReady, patienceMs } = program;
  let running: ChildProcess | undefined;
  let exited = Promise.resolve();
  const down = async (): Promise<void> => {
    running?.kill(signal);
    await exited;
    running = undefined;
  };
  const up = async (): Promise<void> => {
    if (running !== undefined) throw new Error(`${name} is up`);
    const server = spawn(command, args, { cwd: directory, ...owner, stdio: ['ignore', 'pipe', 'pipe'] });
    running = server;
    let log = '';
    for (const stream of [server.stdout, server.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4_000)));
    exited = new Promise((resolve) => server.once('exit', () => resolve()).once('error', () => resolve()));
    try {
      await until(`${name} was not ready`, patienceMs, () => {
        if (server.exitCode !== null) throw new Error(`${name} ended with ${server.exitCode}`);
        return isReady(log);
      });
    } catch (error) {
      await down();
      throw new Error(`${name} did not start:\n${log}`, { cause: error });
    }
  };
  const stop = async (): Promise<void> => {
    await down();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await up();
  } catch (error) {
    await stop();
    throw error;
  }
  return { down, up, stop };
}

/** Whether something listens on a port of loopback. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });
}
