import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { outside } from './outside.ts';
import { ensurePackageLists } from './packages.ts';

// What is in packages for people alone.
const FOR_PEOPLE = ['doc', 'man', 'locale', 'lintian', 'bug'].map((name) => `usr/share/${name}`);

/**
 * Fetches a Debian package, and those packages that it needs and `isNeeded` picks, and unpacks them below `root`: nothing is
 * installed on this machine.
 */
export async function unpackDebian(
  name: string,
  root: string,
  { isNeeded, log }: { isNeeded: (name: string) => boolean; log: string },
): Promise<void> {
  await ensurePackageLists();
  const work = join(root, '..', 'packages');
  mkdirSync(work);
  const nothingInstalled = ['-o', 'Dir::State::status=/dev/null'];
  const install = ['--simulate', ...nothingInstalled, 'install', '--no-install-recommends', name];
  const plan = await run('apt-get', install, { tolerant: true });
  const all = [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '');
  if (!all.includes(name))
    throw new Error(`This system's packages have no ${name} (Debian 12 has). Use Docker and kind, or Debian 12.`);
  const wanted = all.filter((each) => each === name || isNeeded(each));
  // apt drops its rights for the download and then could not write here.
  await run(...outside('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', ...wanted]), { cwd: work, log });
  for (const file of readdirSync(work)) await run('dpkg-deb', ['-x', join(work, file), root], { log });
  rmSync(work, { recursive: true });
  for (const path of FOR_PEOPLE) rmSync(join(root, path), { recursive: true, force: true });
}

/** Debian's own sources alone: others need not have anything for another architecture. */
const SOURCES = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'];

/**
 * Fetches these Debian packages for another architecture (by Debian's name), and nothing that they need, and unpacks them below
 * `root`. This machine's own lists of packages stay as they are.
 */
export async function unpackForeignDebian(
  names: readonly string[],
  architecture: string,
  root: string,
  log: string,
): Promise<void> {
  const work = join(root, '..', 'packages');
  for (const folder of ['lists/partial', 'archives/partial', 'debs'])
    mkdirSync(join(work, folder), { recursive: true });
  const options = [
    ...[`APT::Architecture=${architecture}`, `APT::Architectures::=${architecture}`, 'APT::Sandbox::User=root'],
    ...[`Dir::State=${work}`, 'Dir::State::status=/dev/null', `Dir::Cache=${work}`],
    ...[`Dir::Etc::sourcelist=${SOURCES.find((file) => existsSync(file)) ?? ''}`, 'Dir::Etc::sourceparts=-'],
  ].flatMap((option) => ['-o', option]);
  const apt = (cwd: string, ...args: string[]) => run(...outside('apt-get', [...options, ...args]), { cwd, log });
  await apt(work, 'update', '-q');
  await apt(join(work, 'debs'), 'download', '-q', ...names.map((name) => `${name}:${architecture}`));
  for (const file of readdirSync(join(work, 'debs')))
    await run('dpkg-deb', ['-x', join(work, 'debs', file), root], { log });
  rmSync(work, { recursive: true });
}

/** Whether a package is a library that a server may need, and not one for managing a system. */
export function isLibrary(name: string): boolean {
  if (['libc-bin', 'zlib1g'].includes(name)) return true;
  return name.startsWith('lib') && !/-perl$|^lib(perl|llvm|z3|pam-|semanage|sepol|file-find|audit-common)/.test(name);
}
