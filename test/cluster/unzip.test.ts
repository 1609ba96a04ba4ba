import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { unzip } from './unzip.ts';

interface Entry {
  readonly name: string;
  readonly content: string;
  readonly deflate?: boolean;
  readonly mode?: number;
}

function zip(entries: readonly Entry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, deflate = false, mode = 0o644 } of entries) {
    const data = deflate ? deflateRawSync(content) : Buffer.from(content);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(deflate ? 8 : 0, 10);
    central.writeUInt32LE(data.length, 20);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE((mode << 16) >>> 0, 38);
    central.writeUInt32LE(offset, 42);
    locals.push(local, Buffer.from(name), data);
    directory.push(central, Buffer.from(name));
    offset += local.length + name.length + data.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}

describe('unzip', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'unzip-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function unpack(content: Buffer): void {
    writeFileSync(join(folder, 'x.zip'), content);
    unzip(join(folder, 'x.zip'), join(folder, 'out'));
  }

  it('unpacks stored and deflated files with their modes', () => {
    const long = 'x'.repeat(100_000);
    unpack(
      zip([
        { name: 'd/', content: '' },
        { name: 'd/a', content: 'A' },
        { name: 'b', content: long, deflate: true, mode: 0o755 },
      ]),
    );
    expect(readFileSync(join(folder, 'out/d/a'), 'utf8')).toBe('A');
    expect(readFileSync(join(folder, 'out/b'), 'utf8')).toBe(long);
    expect(statSync(join(folder, 'out/b')).mode & 0o777).toBe(0o755);
  });

  it('refuses names that lead out of the folder', () => {
    expect(() => unpack(zip([{ name: '../evil', content: 'x' }]))).toThrow('leads out');
  });

  it('refuses what is not an archive', () => {
    expect(() => unpack(Buffer.from('no archive at all, whatever its name'))).toThrow('not a ZIP archive');
  });
});
