import { dump } from 'js-yaml';

/** Where the plug-in's archive will be, and what its sum is. */
export interface Archive {
  uri: string;
  sha256: string;
}

/**
 * The manifest by which krew finds and installs the plug-in: https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/.
 * One archive for all: the program is a script for Node.js. On Windows nobody has tried it.
 */
export function krewManifest(version: string, { uri, sha256 }: Archive): string {
  return dump(
    {
      apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
      kind: 'Plugin',
      metadata: { name: 'tracing' },
      spec: {
        version: `v${version}`,
        shortDescription: 'Trace Node.js services without a code change',
        description: [
          'Says of a workload whether it is traced, by which policy, and where its',
          'spans are lost; checks policies before they are applied; switches tracing',
          'off and on; traces a command of this machine. For clusters with',
          'tracing-operator, and partly without.',
        ].join('\n'),
        caveats: 'Needs Node.js 20 or newer on PATH.',
        platforms: [
          {
            selector: { matchExpressions: [{ key: 'os', operator: 'In', values: ['linux', 'darwin'] }] },
            uri,
            sha256,
            bin: 'kubectl-tracing',
          },
        ],
      },
    },
    { lineWidth: -1 },
  );
}
