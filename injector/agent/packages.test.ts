import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { packageOf, readManifest } from './packages.ts';

describe('packageOf', () => {
  it.each([
    ['/app/node_modules/pg/lib/index.js', 'pg', '/app/node_modules/pg'],
    ['/app/node_modules/@grpc/grpc-js/build/src/index.js', '@grpc/grpc-js', '/app/node_modules/@grpc/grpc-js'],
    ['/app/node_modules/a/node_modules/b/x.js', 'b', '/app/node_modules/a/node_modules/b'],
    [
      '/app/node_modules/.pnpm/pg@8.23.1/node_modules/pg/lib/index.js',
      'pg',
      '/app/node_modules/.pnpm/pg@8.23.1/node_modules/pg',
    ],
    [
      '/app/.yarn/cache/pg-npm-8.zip/node_modules/pg/lib/index.js',
      'pg',
      '/app/.yarn/cache/pg-npm-8.zip/node_modules/pg',
    ],
    ['C:\\app\\node_modules\\@hapi\\hapi\\lib\\index.js', '@hapi/hapi', 'C:\\app\\node_modules\\@hapi\\hapi'],
  ])('%s', (filename, name, directory) => expect(packageOf(filename)).toEqual({ name, directory }));

  it.each(['/app/src/index.js', '/app/node_modules/file.js', '/app/node_modules/@scope/file.js'])(
    '%s is in none',
    (filename) => expect(packageOf(filename)).toBeUndefined(),
  );
});

it('reads a manifest, and takes one that is missing or broken for an empty one', () => {
  const directory = mkdtempSync(join(tmpdir(), 'manifest-'));
  expect(readManifest(directory)).toEqual({ version: undefined, main: 'index.js', hasExports: false });
  writeFileSync(join(directory, 'package.json'), '{ "version": 7, "main": "" }');
  expect(readManifest(directory)).toEqual({ version: undefined, main: 'index.js', hasExports: false });
  writeFileSync(join(directory, 'package.json'), '{ "version": "1.2.3", "main": "./lib", "exports": {} }');
  expect(readManifest(directory)).toEqual({ version: '1.2.3', main: './lib', hasExports: true });
  rmSync(directory, { recursive: true });
});
