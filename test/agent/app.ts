import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/**
 * A test app with packages of its own (a folder with a pinned package.json and lockfile): its packages are installed into
 * the user's cache, its programs are copied beside them. Returns the folder to run it in.
 * @param programs another app, whose programs are run with the packages of this one.
 */
export function installedApp(folder: string, programs = folder): string {
  const manifest = readFileSync(join(folder, 'package.json'));
  const lock = existsSync(join(folder, 'package-lock.json')) ? readFileSync(join(folder, 'package-lock.json')) : '';
  const key = createHash('sha256').update(manifest).update(lock).digest('hex').slice(0, 12);
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const target = join(cache, 'tracing-operator', 'apps', `${basename(folder)}-${key}`);
  if (!existsSync(join(target, 'node_modules'))) install(folder, target, lock !== '');
  const own = ['node_modules', 'package.json', 'package-lock.json'];
  for (const file of readdirSync(programs)) if (!own.includes(file)) put(join(programs, file), join(target, file));
  return target;
}

/** Each file is replaced at once: other tests may be running programs from there. */
function put(from: string, to: string): void {
  if (statSync(from).isDirectory()) {
    mkdirSync(to, { recursive: true });
    for (const file of readdirSync(from)) put(join(from, file), join(to, file));
    return;
  }
  const staging = join(dirname(to), `.${basename(to)}.${process.pid}`);
  cpSync(from, staging);
  renameSync(staging, to);
}

function install(folder: string, target: string, locked: boolean): void {
  const staging = `${target}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  for (const file of ['package.json', ...(locked ? ['package-lock.json'] : [])])
    cpSync(join(folder, file), join(staging, file));
  const npm = spawnSync('npm', [locked ? 'ci' : 'install', '--no-audit', '--no-fund', '--silent', '--ignore-scripts'], {
    cwd: staging,
    encoding: 'utf8',
  });
  if (npm.status !== 0)
    throw new Error(`npm ${locked ? 'ci' : 'install'} for ${folder} failed: ${npm.stderr || npm.stdout}`);
  try {
    renameSync(staging, target);
  } catch (error) {
    if (!existsSync(join(target, 'node_modules'))) throw error;
    rmSync(staging, { recursive: true, force: true });
  }
}
