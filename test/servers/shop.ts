import { spawn } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '../cluster/command.ts';
import { until } from '../cluster/progress.ts';
import { freePort } from './free-port.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const SHOP = join(CHECKOUT, 'examples/shop');
const PROGRAMS = {
  bank: 'bank/main.js',
  payment: 'payment/dist/main.js',
  inventory: 'inventory/main.mjs',
  order: 'order/main.js',
};

/** What pino writes for an error or worse. */
const ERROR = /"level":[56]0\b/;

/** One of the shop's services as a local process. */
export interface Service {
  pid: number;
  /** What it wrote, both streams; of a lot the last part. */
  log(): string;
  /** The last lines in it that tell of errors. */
  errors: readonly string[];
  /** Lines of the agent in it: all of them. */
  agentLines: readonly string[];
  /** Sends SIGTERM; resolves to the exit code, null when it had to be killed. */
  stop(): Promise<number | null>;
}

export type ServiceName = keyof typeof PROGRAMS;

/** The services, on loopback. */
export interface Shop {
  orderUrl: string;
  inventoryUrl: string;
  ports: Record<ServiceName, number>;
  services: Record<ServiceName, Service>;
  /** Starts one that has ended again, at the same address. */
  restart(name: ServiceName): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the bank, payment, inventory and order. `env(name)` is added to a service's environment. */
export async function startShop(env: (service: ServiceName) => Record<string, string>): Promise<Shop> {
  await installShop();
  const ports = {
    bank: await freePort(),
    payment: await freePort(),
    inventory: await freePort(),
    order: await freePort(),
  };
  const url = (name: ServiceName) => `http://127.0.0.1:${ports[name]}`;
  const addresses = {
    BANK_URL: url('bank'),
    PAYMENT_ADDRESS: `127.0.0.1:${ports.payment}`,
    INVENTORY_URL: url('inventory'),
  };
  const started: Service[] = [];
  const start = async (name: ServiceName) => {
    const own = { HOST: '127.0.0.1', PORT: String(ports[name]) };
    const service = startService(name, { ...own, ...addresses, ...env(name) });
    started.push(service);
    try {
      await until(`${name} did not listen`, 60_000, () => {
        if (!isRunning(service.pid)) throw new Error(`${name} ended`);
        return Promise.resolve(service.log().includes('"listening"'));
      });
    } catch (error) {
      throw new Error(`${name} did not start:\n${service.log()}`, { cause: error });
    }
    return service;
  };
  const stop = async () => {
    await Promise.all(started.map((service) => service.stop()));
  };
  try {
    const [bank, payment, inventory, order] = await Promise.all([
      start('bank'),
      start('payment'),
      start('inventory'),
      start('order'),
    ]);
    const services = { bank, payment, inventory, order };
    const restart = async (name: ServiceName) => {
      services[name] = await start(name);
    };
    return { orderUrl: url('order'), inventoryUrl: url('inventory'), ports, services, restart, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Installs the shop's dependencies and compiles what is TypeScript, unless what is there is as new as its sources. */
export async function installShop(): Promise<void> {
  if (!isNewer('node_modules/.package-lock.json', ['package-lock.json'])) {
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', ['ci', '--omit=dev', '--ignore-scripts', ...quiet], { cwd: SHOP });
  }
  const sources = globSync('{payment/src/*.ts,payment/tsconfig.json,{backends,process}/*.d.ts}', { cwd: SHOP });
  if (!isNewer('payment/dist/main.js', ['package-lock.json', ...sources])) {
    // This project's own compiler, so that none goes into the shop's image.
    await run(process.execPath, [join(CHECKOUT, 'node_modules/typescript/bin/tsc'), '-p', 'payment'], { cwd: SHOP });
  }
}

/** Whether one file of the shop is there and as new as others. */
function isNewer(made: string, sources: string[]): boolean {
  const time = (file: string) => statSync(join(SHOP, file)).mtimeMs;
  return existsSync(join(SHOP, made)) && sources.every((source) => time(made) >= time(source));
}

/** Starts one service's process, without waiting for it. */
export function startService(name: ServiceName, env: Record<string, string>): Service {
  // Not this process's environment: a NODE_OPTIONS of the test runner is none of the shop's business.
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [PROGRAMS[name]], {
    cwd: SHOP,
    env: { PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-64_000)));
  }
  const agentLines: string[] = [];
  createInterface(child.stderr).on('line', (line) => {
    if (line.startsWith('tracing-operator:')) agentLines.push(line);
  });
  const errors: string[] = [];
  createInterface(child.stdout).on('line', (line) => {
    if (ERROR.test(line)) errors.push(line);
    if (errors.length > 10) errors.shift();
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return {
    pid: child.pid ?? 0,
    log: () => log,
    errors,
    agentLines,
    stop: async () => {
      child.kill('SIGTERM');
      const tooLong = setTimeout(() => child.kill('SIGKILL'), 15_000);
      const code = await exited;
      clearTimeout(tooLong);
      return code;
    },
  };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
