import { readFileSync } from 'node:fs';
import { addUser } from '../bases.ts';
import { isLibrary } from '../debian.ts';
import { packagedServerArchive } from './packaged.ts';

/** An image of Debian's Redis 7 that is started like the official one. */
export function redisArchive(ref: string): Promise<string> {
  return packagedServerArchive(ref, {
    package: 'redis-server',
    recipe: readFileSync(import.meta.filename),
    // The server's program is in the package of its tools.
    isNeeded: (name) => isLibrary(name) || name === 'redis-tools',
    finish: (root) => addUser(root, 'redis', 999, '/data'),
    config: { Cmd: ['redis-server'], WorkingDir: '/data', ExposedPorts: { '6379/tcp': {} } },
  });
}
