import * as esbuild from 'esbuild';

/**
 * Bundles operator and webhook into one file: unbundled, client-node alone adds some 90 MB of resident memory, because
 * it loads every model of the API.
 */
const lean: esbuild.Plugin = {
  name: 'client-node has no side effects',
  setup(build) {
    // The package does not say so itself, so that esbuild would keep every model and API class for the one class we use.
    // The undici package (1 MB of code) is there for a fetch that we never call: our requests go through node:https.
    build.onResolve({ filter: /^undici$/ }, ({ path }) => ({ path, namespace: lean.name }));
    build.onLoad({ filter: /.*/, namespace: lean.name }, () => ({
      contents:
        'const unused = () => { throw new Error("the undici package is not part of this bundle"); };' +
        'export { unused as Agent, unused as ProxyAgent, unused as fetch };',
    }));
    build.onResolve({ filter: /^\.|^@kubernetes\/client-node$/ }, async ({ path, resolveDir, kind, pluginData }) => {
      if (pluginData === lean.name) return undefined;
      if (!path.startsWith('@') && !resolveDir.includes('@kubernetes/client-node')) return undefined;
      const resolved = await build.resolve(path, { resolveDir, kind, pluginData: lean.name });
      return { ...resolved, sideEffects: false };
    });
  },
};

await esbuild.build({
  entryPoints: ['operator/main.ts'],
  outfile: 'dist/operator/main.cjs',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  conditions: ['node'],
  keepNames: true,
  minifySyntax: true,
  minifyWhitespace: true,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'linked',
  logLevel: 'warning',
  plugins: [lean],
});
