// Builds dist/agent/ exactly as the init container copies it:
//   node injector/agent/build.ts [output directory]
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { minify, type JsMinifyOptions } from '@swc/core';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import { compile } from './compile.ts';
import { libraryTable, readInstrumentations, type InstrumentationPackage } from './generate.ts';
import { packPieces } from './pack.ts';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const AGENT = join(ROOT, 'injector/agent');
const API_KEY = 'opentelemetry.js.api.';

// Provided by the core at run time, so that there is one copy in the process.
const SHARED = ['@opentelemetry/api', '@opentelemetry/core', '@opentelemetry/instrumentation'];
const HOOKS = ['require-in-the-middle', 'import-in-the-middle'];

const COMMON: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  write: false,
  platform: 'node',
  format: 'cjs',
  target: 'node18.19',
  // Without it packages with a "module" condition come in twice.
  conditions: ['node'],
  mainFields: ['module', 'main'],
  charset: 'ascii',
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  // Pieces are no modules; what asks for its own URL wants to require something of the app's, which is not ours to find.
  define: { 'import.meta.url': '"file:///tracing-agent.js"' },
  logLevel: 'warning',
};

// What esbuild cannot do: local variables get short names, functions and classes keep theirs, as some are span names and
// others can be seen by the app.
const SHORT_NAMES: JsMinifyOptions = {
  ecma: 2022,
  module: false,
  compress: false,
  mangle: { toplevel: false, keep_fnames: true, keep_classnames: true },
  format: { asciiOnly: true, comments: false },
};

async function bundle(entry: BuildOptions, external: string[], plugins: Plugin[] = []): Promise<string> {
  const { outputFiles } = await build({ ...COMMON, ...entry, write: false, external, plugins });
  const text = outputFiles?.[0]?.text ?? '';
  if (/\bimport\(/.test(text))
    console.warn(`  a dynamic import is left in ${JSON.stringify(entry.stdin?.contents ?? entry.entryPoints)}`);
  const { code } = await minify(`(function(exports,require,module){${text}\n})`, SHORT_NAMES);
  return code;
}

function manifestVersion(name: string): string {
  const path = name === '' ? 'package.json' : `node_modules/${name}/package.json`;
  return (JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as { version: string }).version;
}

function tablePlugin(instrumentations: InstrumentationPackage[]): Plugin {
  const contents = [
    `export const libraries = ${JSON.stringify(libraryTable(instrumentations, isBuiltin))};`,
    `export const version = ${JSON.stringify(manifestVersion(''))};`,
    `export const sdkVersion = ${JSON.stringify(manifestVersion('@opentelemetry/sdk-trace'))};`,
  ].join('\n');
  return {
    name: 'libraries',
    setup(context) {
      context.onResolve({ filter: /^agent:libraries$/ }, () => ({ path: 'libraries', namespace: 'agent' }));
      context.onLoad({ filter: /^libraries$/, namespace: 'agent' }, () => ({ contents, loader: 'js' }));
    },
  };
}

/** Gives our copy of the API a place of its own for what is registered with it (api-global.ts says why). */
const ownApi: Plugin = {
  name: 'own-api',
  setup(context) {
    context.onLoad({ filter: /@opentelemetry\/api\/dist\/internal\/global-utils\.mjs$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!text.includes(API_KEY)) throw new Error(`${path} does not have ${API_KEY} any more: see api-global.ts`);
      return { contents: text.replace(API_KEY, 'tracing.acme.api.'), loader: 'js' };
    });
  },
};

/** Puts our quick check of plain version ranges before the full one. */
const quickSemver: Plugin = {
  name: 'quick-semver',
  setup(context) {
    context.onLoad({ filter: /@opentelemetry\/instrumentation\/dist\/semver\.mjs$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const renamed = text.replace('function satisfies(', 'function satisfiesFully(');
      if (renamed === text) throw new Error(`${path} does not have a function satisfies any more: see semver.ts`);
      const quick = `import { satisfiesPlainly } from ${JSON.stringify(join(AGENT, 'semver.ts'))};
        function satisfies(version, range, options) {
          return satisfiesPlainly(version, range) ?? satisfiesFully(version, range, options);
        }`;
      return { contents: `${quick}\n${renamed}`, loader: 'js' };
    });
  },
};

/**
 * The instrumentation of router remembers the first of the two majors it meets and looks for its methods in the other too.
 * A process may hold both (express 5 brings the second).
 */
const bothRouters: Plugin = {
  name: 'both-routers',
  setup(context) {
    context.onLoad({ filter: /@opentelemetry\/instrumentation-router\/dist\/instrumentation\.mjs$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const contents = text
        .replace('this._constants ??=', 'this._constants =')
        .replaceAll(
          'isInternal(this.handle, instrumentation._constants)',
          '[V1_CONSTANTS, V2_CONSTANTS].some((version) => isInternal(this.handle, version))',
        );
      if (contents.includes('_constants ??=') || !contents.includes('].some((version)'))
        throw new Error(`${path} treats the majors of router in another way now: see whether this is still needed`);
      return { contents, loader: 'js' };
    });
  },
};

const stdin = (contents: string): BuildOptions => ({ stdin: { contents, resolveDir: AGENT, loader: 'js' } });

/** Bundles every piece of the agent. */
async function buildPieces(): Promise<Map<string, string>> {
  const instrumentations = readInstrumentations(ROOT);
  const pieces = new Map<string, string>();
  pieces.set(
    'agent',
    await bundle({ entryPoints: [join(AGENT, 'agent.ts')] }, [], [tablePlugin(instrumentations), ownApi]),
  );
  // No name in it can be seen from outside.
  pieces.set(
    'export',
    await bundle({ entryPoints: [join(AGENT, 'export/destination.ts')], minifyIdentifiers: true }, []),
  );
  // Of an exporter, what a process needs before its first batch, and what one that is ending needs; and what few need.
  for (const file of [
    'export/address',
    'export/last',
    'databases/describe',
    'instrumentations',
    'keep',
    'modules',
    'old-names',
    'uncaught',
  ]) {
    const entry = { entryPoints: [join(AGENT, `${file}.ts`)], minifyIdentifiers: true };
    pieces.set(basename(file), await bundle(entry, ['@opentelemetry/api']));
  }
  // Signals that are off by default.
  for (const [name, file] of [
    ['logs', 'logs/record.ts'],
    ['metrics', 'metrics/meter.ts'],
  ] as const) {
    const entry = { entryPoints: [join(AGENT, file)], minifyIdentifiers: true };
    pieces.set(name, await bundle(entry, SHARED, [tablePlugin(instrumentations)]));
  }
  pieces.set(
    'propagators',
    await bundle({ entryPoints: [join(AGENT, 'propagation/rare.ts')] }, ['@opentelemetry/api']),
  );
  const shared = `import * as core from '@opentelemetry/core';
    import * as instrumentation from '@opentelemetry/instrumentation';
    export { satisfies } from ${JSON.stringify(join(ROOT, 'node_modules/@opentelemetry/instrumentation/dist/semver.mjs'))};
    import shimmer from ${JSON.stringify(join(ROOT, 'node_modules/@opentelemetry/instrumentation/dist/shimmer.mjs'))};
    export { core, instrumentation, shimmer };`;
  pieces.set('shared', await bundle(stdin(shared), ['@opentelemetry/api', ...HOOKS], [quickSemver]));
  for (const { name, from, className } of instrumentations) {
    pieces.set(
      name,
      await bundle(
        stdin(`export { ${className} } from ${JSON.stringify(from.endsWith('.ts') ? join(AGENT, from) : from)};`),
        [...SHARED, ...HOOKS],
        [bothRouters],
      ),
    );
  }
  return pieces;
}

async function main(): Promise<void> {
  const target = resolve(process.argv[2] ?? join(ROOT, 'dist/agent'));
  // Built aside and moved into place, so that whoever starts a process meanwhile finds the old agent or the new one.
  const output = `${target}.${process.pid}`;
  mkdirSync(output, { recursive: true });
  const pieces = await buildPieces();
  cpSync(join(AGENT, 'register.cjs'), join(output, 'register.cjs'));
  writeFileSync(
    join(output, 'agent.pack'),
    packPieces(new Map([...pieces].map(([name, text]) => [name, Buffer.from(text, 'latin1')]))),
  );
  if (existsSync(join(ROOT, 'LICENSE'))) cpSync(join(ROOT, 'LICENSE'), join(output, 'LICENSE'));
  for (const failed of compile(output)) console.warn(`  no compiled code for ${failed}`);
  // Beside the agent: the init container's program, for the Dockerfile.
  cpSync(join(AGENT, 'copy.sh'), join(dirname(output), 'agent-copy.sh'));
  rmSync(target, { recursive: true, force: true });
  renameSync(output, target);
  const files = readdirSync(target);
  const bytes = files.reduce((sum, file) => sum + statSync(join(target, file)).size, 0);
  console.log(`${target}: ${files.length} files, ${bytes} bytes, ${pieces.size} pieces`);
}

await main();
