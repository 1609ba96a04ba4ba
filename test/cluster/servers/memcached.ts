import { readFileSync } from 'node:fs';
import { addUser } from '../bases.ts';
import { isLibrary } from '../debian.ts';
import { packagedServerArchive } from './packaged.ts';

/** An image of Debian's Memcached 1.6 that is started like the official one. */
export function memcachedArchive(ref: string): Promise<string> {
  return packagedServerArchive(ref, {
    package: 'memcached',
    recipe: readFileSync(import.meta.filename),
    isNeeded: isLibrary,
    finish: (root) => addUser(root, 'memcache', 11211, '/nonexistent'),
    config: { Cmd: ['memcached'], User: '11211', ExposedPorts: { '11211/tcp': {} } },
  });
}
