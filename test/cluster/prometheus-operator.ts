import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { goModule } from './go.ts';

const MODULE = 'github.com/prometheus-operator/prometheus-operator@v0.92.1';
const CRDS = ['servicemonitors', 'prometheusrules'];

/** The files of the Prometheus operator's own CustomResourceDefinitions, as its Go module has them. */
export async function prometheusOperatorCrds(): Promise<string[]> {
  const files = CRDS.map((name) => `monitoring.coreos.com_${name}.yaml`);
  const folder = await cached({
    name: 'prometheus-operator-crds-0.92.1',
    recipe: [MODULE, ...files],
    title: "fetching the Prometheus operator's CustomResourceDefinitions",
    usually: '5 to 15 s',
    make: async (dir) => {
      const module = await goModule(MODULE);
      for (const file of files) copyFileSync(join(module, 'example/prometheus-operator-crd', file), join(dir, file));
    },
  });
  return files.map((file) => join(folder, file));
}
