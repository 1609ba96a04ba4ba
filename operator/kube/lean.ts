import type * as esbuild from 'esbuild';

/** Leaves out of a bundle what client-node brings and we never call. */
export const lean: esbuild.Plugin = {
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
