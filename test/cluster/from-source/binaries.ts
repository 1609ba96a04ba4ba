import { readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { goBuild } from '../go.ts';

export const KUBERNETES_VERSION = '1.34.4';
export const COREDNS_VERSION = '1.12.4';
/** Every program's image of the pause process; the name says that it comes from nowhere else. */
export const PAUSE_VERSION = '1';

const COMPONENTS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'];

/** Programs of the cluster that were built from Go modules, by folder. */
export interface Binaries {
  /** etcd and the components of Kubernetes: names of one program. */
  readonly kubernetes: string;
  readonly coredns: string;
  readonly pause: string;
}

/** Builds what is not yet in the cache. */
export async function buildBinaries(): Promise<Binaries> {
  return {
    pause: join(await goProgram('pause', PAUSE_VERSION, '5 s'), 'pause'),
    coredns: join(await goProgram('coredns', COREDNS_VERSION, '1 min, once'), 'coredns'),
    kubernetes: await goProgram('kubernetes', KUBERNETES_VERSION, '5 to 10 min on two cores, once'),
  };
}

async function goProgram(name: string, version: string, usually: string): Promise<string> {
  const source = join(import.meta.dirname, 'go', name);
  const ldflags = ['-s', '-w', ...(name === 'kubernetes' ? versionFlags(version) : [])].join(' ');
  const files = readdirSync(source).sort();
  return cached({
    name: `${name}-${version}`,
    recipe: [
      process.arch,
      ldflags,
      ...COMPONENTS,
      ...files.flatMap((file) => [file, readFileSync(join(source, file))]),
    ],
    title: `building ${name} ${version} from its Go modules`,
    usually,
    make: async (dir, log) => {
      await goBuild({ folder: source, package: '.', output: join(dir, name), ldflags, log });
      if (name === 'kubernetes') for (const component of COMPONENTS) symlinkSync(name, join(dir, component));
    },
  });
}

function versionFlags(version: string): string[] {
  const [major = '', minor = ''] = version.split('.');
  const variables = { gitVersion: `v${version}`, gitMajor: major, gitMinor: minor };
  return Object.entries(variables).map(([key, value]) => `-X k8s.io/component-base/version.${key}=${value}`);
}
