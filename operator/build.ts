import * as esbuild from 'esbuild';
import { lean } from './kube/lean.ts';
import { buildPage } from './page/build.ts';

// Operator and webhook become one file: unbundled, client-node alone adds some 90 MB of resident memory, because it loads
// every model of the API. Functions are not made to keep their names: that costs whenever a closure is made, a fifteenth of
// a review, and few would have another.
await esbuild.build({
  entryPoints: ['operator/main.ts'],
  outfile: 'dist/operator/main.cjs',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  conditions: ['node'],
  minifySyntax: true,
  minifyWhitespace: true,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'linked',
  logLevel: 'warning',
  plugins: [lean],
});
await buildPage('dist/operator/page');
