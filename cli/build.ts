import { chmodSync, writeFileSync } from 'node:fs';
import * as esbuild from 'esbuild';
import { SCRIPTS } from './completion/scripts.ts';
import { lean } from '../operator/kube/lean.ts';

/** Node.js that people have on their machines. */
const OLDEST = 20;

// One file that is copied to a directory on PATH, under the name by which kubectl finds it. It has no extension, so
// that Node takes it for CommonJS, unless the package.json above it says otherwise: ours does.
await esbuild.build({
  entryPoints: ['cli/main.ts'],
  outfile: 'dist/kubectl-tracing',
  bundle: true,
  platform: 'node',
  target: `node${OLDEST}`,
  format: 'cjs',
  conditions: ['node'],
  keepNames: true,
  minifySyntax: true,
  minifyWhitespace: true,
  banner: {
    js: [
      '#!/usr/bin/env node',
      `if (parseInt(process.versions.node) < ${OLDEST}) {`,
      `  console.error('kubectl tracing: Node.js ${OLDEST} or newer is needed, this is ' + process.version);`,
      '  process.exit(2);',
      '}',
    ].join('\n'),
  },
  legalComments: 'linked',
  logLevel: 'warning',
  plugins: [lean],
});
chmodSync('dist/kubectl-tracing', 0o755);
writeFileSync('dist/kubectl_complete-tracing', SCRIPTS['kubectl']!, { mode: 0o755 });
writeFileSync('dist/package.json', '{ "type": "commonjs" }\n');
