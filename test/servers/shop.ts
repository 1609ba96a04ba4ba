import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../cluster/command.ts';
import { until } from '../cluster/progress.ts';
import { freePort } from './free-port.ts';

const SHOP = join(import.meta.dirname, '../../examples/shop');

/** One of the shop's services as a local process. */
export interface Service {
  pid: number;
  /** What it wrote, both streams. */
  log(): string;
  /** Sends SIGTERM; resolves to the exit code, null when it had to be killed. */
  stop(): Promise<number | null>;
}

/** The three services, on loopback. */
export interface Shop {
  orderUrl: string;
  inventoryUrl: string;
  paymentAddress: string;
  services: { order: Service; payment: Service; inventory: Service };
  stop(): Promise<void>;
}

type Name = keyof Shop['services'];

/** Starts order, payment and inventory against a database; `env(name)` adds to a service's environment. */
export async function startShop(
  databaseUrl: string,
  env: (service: Name) => Record<string, string> = () => ({}),
): Promise<Shop> {
  await installShop();
  const [order, payment, inventory] = [await freePort(), await freePort(), await freePort()];
  const inventoryUrl = `http://127.0.0.1:${inventory}`;
  const paymentAddress = `127.0.0.1:${payment}`;
  const started: Service[] = [];
  const start = async (name: Name, port: number, settings: Record<string, string>) => {
    const service = startService(name, { HOST: '127.0.0.1', PORT: String(port), ...settings, ...env(name) });
    started.push(service);
    try {
      await until(`${name} did not listen`, 30_000, () => {
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
    const services = {
      payment: await start('payment', payment, {}),
      inventory: await start('inventory', inventory, { DATABASE_URL: databaseUrl }),
      order: await start('order', order, {
        DATABASE_URL: databaseUrl,
        INVENTORY_URL: inventoryUrl,
        PAYMENT_ADDRESS: paymentAddress,
      }),
    };
    return { orderUrl: `http://127.0.0.1:${order}`, inventoryUrl, paymentAddress, services, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Installs the shop's dependencies, unless what is there is as new as the lockfile. */
export async function installShop(): Promise<void> {
  const [lockfile, installed] = [join(SHOP, 'package-lock.json'), join(SHOP, 'node_modules/.package-lock.json')];
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lockfile).mtimeMs) return;
  await run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: SHOP,
  });
}

/** Starts one service's process, without waiting for it. */
export function startService(name: Name, env: Record<string, string>): Service {
  // Not this process's environment: a NODE_OPTIONS of the test runner is none of the shop's business.
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [`${name}/main.js`], {
    cwd: SHOP,
    env: { PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-64_000)));
  }
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return {
    pid: child.pid ?? 0,
    log: () => log,
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
