import { join } from 'node:path';
import { cached } from '../cache.ts';
import { goBuildModule } from '../go.ts';

const MODULE = 'github.com/FerretDB/FerretDB';
// The last one that needs no Postgres beneath it.
const VERSION = 'v1.24.2';

/** The folder of the program `ferretdb`, which speaks MongoDB's protocol, in the cache. */
export function ferretdbFolder(): Promise<string> {
  return cached({
    name: `ferretdb-${VERSION}`,
    recipe: [process.arch],
    title: `building FerretDB ${VERSION} from its Go module`,
    usually: '1 to 4 min on two cores, once',
    make: (dir, log) =>
      goBuildModule(`${MODULE}@${VERSION}`, {
        package: './cmd/ferretdb',
        output: join(dir, 'ferretdb'),
        ldflags: '-s -w',
        log,
        // Made by its own build from the repository's tag; without it the program does not start.
        files: { 'build/version/version.txt': VERSION },
      }),
  });
}
