import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Target {
  namespace: string;
  service: string;
  /** Name or number of a port of the Service. */
  port: string;
}

/** Milliseconds until kubectl has said which port it took, and before it is started again. */
const PATIENCE = 20_000;
const AGAIN = 1_000;

/**
 * A port of this machine that leads to a pod of a Service, by `kubectl port-forward`: with the user's rights, through the API
 * server. When the pod goes, the next request has another one found.
 */
export class Forward {
  readonly #target: Target;
  #child: ChildProcess | undefined;
  #port: Promise<number> | undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  /** The port, of 127.0.0.1. @throws Error with what kubectl said */
  port(): Promise<number> {
    this.#port ??= this.#start();
    return this.#port;
  }

  stop(): void {
    this.#child?.kill();
  }

  #start(): Promise<number> {
    const { namespace, service, port } = this.#target;
    const args = ['port-forward', '--namespace', namespace, '--address', '127.0.0.1', `service/${service}`, `:${port}`];
    const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    let said = '';
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => child.kill(), PATIENCE);
      const failed = (why: string) => {
        clearTimeout(timer);
        // Whoever asks meanwhile is told the same.
        void sleep(AGAIN).then(() => (this.#port = undefined));
        reject(new Error(why));
      };
      const read = (text: string) => {
        said = (said + text).slice(-2_000);
        const [, local] = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(said) ?? [];
        if (local === undefined) return;
        clearTimeout(timer);
        resolve(Number(local));
      };
      child.stdout.setEncoding('utf8').on('data', read);
      child.stderr.setEncoding('utf8').on('data', read);
      child.once('error', (error) => failed(`kubectl cannot be run: ${error.message}`));
      child.once('exit', () => failed(said.trim() || 'kubectl port-forward has ended'));
    });
  }
}
