import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheRoot } from './cache.ts';
import { run, which } from './command.ts';
import { withLock } from './lock.ts';
import { outside } from './outside.ts';
import { announce, step } from './progress.ts';

interface Need {
  readonly package: string;
  /** A program on PATH, or a file when it begins with a slash. */
  readonly provides: string;
}

/** What the cluster from source takes from Debian. */
export const CLUSTER_NEEDS: readonly Need[] = [
  { package: 'containerd', provides: 'containerd' },
  { package: 'runc', provides: 'runc' },
  { package: 'containernetworking-plugins', provides: '/usr/lib/cni/bridge' },
  { package: 'nftables', provides: 'nft' },
  { package: 'iproute2', provides: 'ip' },
  { package: 'util-linux', provides: 'nsenter' },
  { package: 'mount', provides: 'mount' },
];

/** What building images without Docker takes from Debian. */
export const IMAGE_NEEDS: readonly Need[] = [
  { package: 'buildah', provides: 'buildah' },
  { package: 'busybox-static', provides: '/bin/busybox' },
  { package: 'ca-certificates', provides: '/etc/ssl/certs/ca-certificates.crt' },
];

/** The packages whose program or file is missing. */
export async function missingPackages(needs: readonly Need[]): Promise<string[]> {
  const missing: string[] = [];
  for (const need of needs) {
    const found = need.provides.startsWith('/')
      ? existsSync(need.provides)
      : (await which(need.provides)) !== undefined;
    if (!found) missing.push(need.package);
  }
  return missing;
}

/** Installs what is missing when that is possible, else says the one line that does. */
export async function ensurePackages(needs: readonly Need[]): Promise<void> {
  if ((await missingPackages(needs)).length === 0) return;
  // apt-get fails where another one is at work.
  await withLock(join(cacheRoot(), 'packages.lock'), {}, () => install(needs));
}

async function install(needs: readonly Need[]): Promise<void> {
  const missing = await missingPackages(needs);
  if (missing.length === 0) return;
  const line = `apt-get update && apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if ((await which('apt-get')) === undefined) {
    throw new Error(
      `Missing: ${missing.join(', ')} (names of Debian packages). Install them with this system's package manager.`,
    );
  }
  if (process.getuid?.() !== 0) throw new Error(`Missing Debian packages. Run: sudo sh -c '${line}'`);
  await step(`installing Debian packages: ${missing.join(' ')}`, { usually: '10 to 60 s' }, async () => {
    await ensurePackageLists();
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    await run(...outside('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing]), { env });
  });
  const still = await missingPackages(needs);
  if (still.length > 0) throw new Error(`Still missing after apt-get: ${still.join(', ')}. Try by hand: ${line}`);
}

/** Fetches apt's package lists on a machine that has none (as fresh containers do). */
export async function ensurePackageLists(): Promise<void> {
  const lists = '/var/lib/apt/lists';
  if (existsSync(lists) && readdirSync(lists).some((name) => name.includes('Packages'))) return;
  announce('  fetching the package lists');
  await run(...outside('apt-get', ['update', '-q']));
}
