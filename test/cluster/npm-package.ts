import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { outside } from './outside.ts';

/** A package of npm's registry, with the hash that its archive must have. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

/** Fetches a package, checks it, and unpacks it into `dir/package`. It is not installed: none of its scripts run. */
export async function unpackNpmPackage(wanted: NpmPackage, dir: string, log: string): Promise<void> {
  const pack = ['pack', '--silent', `${wanted.name}@${wanted.version}`, '--pack-destination', dir];
  await run(...outside('npm', pack), { log, cwd: dir });
  const archive = join(dir, `${wanted.name.replace(/^@/, '').replace('/', '-')}-${wanted.version}.tgz`);
  verifyIntegrity(wanted, readFileSync(archive));
  await run('tar', ['-xzf', archive, '-C', dir], { log });
  rmSync(archive);
}

/** Throws unless the content has the package's hash, written as npm does: `sha512-<base64>`. */
export function verifyIntegrity(wanted: NpmPackage, content: Buffer): void {
  const found = `sha512-${createHash('sha512').update(content).digest('base64')}`;
  if (found === wanted.integrity) return;
  throw new Error(`${wanted.name}@${wanted.version} is not what it was: expected ${wanted.integrity}, got ${found}`);
}
