import { describe, expect, it } from '@jest/globals';
import { packagesInBundle } from './bundled.ts';

describe('packages in a bundle are told by', () => {
  it.each<[string, string, string[]]>([
    ['esbuild, as a comment', '\n// node_modules/express/lib/express.js\nvar x = 1;\n', ['express']],
    ['esbuild, as the name of a module', '"node_modules/pg/lib/index.js"(exports, module) {', ['pg']],
    ['esbuild from another folder', '// ../../node_modules/@grpc/grpc-js/build/src/index.js', ['@grpc/grpc-js']],
    ['webpack', '/***/ "./node_modules/mysql2/index.js":\n/*!****!*\\', ['mysql2']],
    ['pnpm', '// node_modules/.pnpm/koa@3.0.0/node_modules/koa/lib/application.js', ['koa']],
    [
      'licenses, all that minifying keeps',
      '/*! Bundled license information:\n\nexpress/index.js:\n  (*! express *)\n\n@hapi/hapi/lib/core.js:\n*/',
      ['express', '@hapi/hapi'],
    ],
  ])('%s', (_name, text, packages) => expect(packagesInBundle(text)).toEqual(packages));

  it.each([
    ['a path in ordinary code', `require.resolve('./node_modules/express/index.js')`],
    ['a comment about a path', '// see node_modules/express for more'],
    ['a line that looks like a license, elsewhere', 'express/index.js:\n'],
  ])('and not by %s', (_name, text) => expect(packagesInBundle(text)).toEqual([]));
});
