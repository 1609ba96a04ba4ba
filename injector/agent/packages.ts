import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What we need of a package.json. */
export interface Manifest {
  version: string | undefined;
  main: string;
  hasExports: boolean;
}

/** The package a file belongs to: the last one named in its path. */
export function packageOf(filename: string): { name: string; directory: string } | undefined {
  const at = filename.lastIndexOf('node_modules');
  if (at === -1) return undefined;
  const start = at + 'node_modules'.length + 1;
  let end = nextSeparator(filename, start);
  if (filename.charCodeAt(start) === 64) end = end === -1 ? -1 : nextSeparator(filename, end + 1);
  if (end === -1) return undefined;
  const name = filename.slice(start, end);
  return { name: name.includes('\\') ? name.replaceAll('\\', '/') : name, directory: filename.slice(0, end) };
}

function nextSeparator(path: string, from: number): number {
  const slash = path.indexOf('/', from);
  return slash === -1 ? path.indexOf('\\', from) : slash;
}

/** Reads the package.json of a directory; one that cannot be read counts as empty. */
export function readManifest(directory: string): Manifest {
  try {
    const text = readFileSync(join(directory, 'package.json'), 'utf8');
    const { version, main, exports } = JSON.parse(text) as { version?: unknown; main?: unknown; exports?: unknown };
    return {
      version: typeof version === 'string' ? version : undefined,
      main: typeof main === 'string' && main !== '' ? main : 'index.js',
      hasExports: exports !== undefined && exports !== null,
    };
  } catch {
    return { version: undefined, main: 'index.js', hasExports: false };
  }
}
