import { chmodSync, closeSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { inflateRawSync } from 'node:zlib';

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const STORED = 0;
const DEFLATED = 8;

/** Unpacks a ZIP archive: a plain one, no encryption, under 4 GiB. It is here because no unzip program is on every machine. */
export function unzip(archive: string, target: string): void {
  const file = openSync(archive, 'r');
  try {
    const read = (position: number, length: number): Buffer => {
      const buffer = Buffer.alloc(length);
      if (readSync(file, buffer, 0, length, position) !== length) throw new Error(`${archive} is cut short`);
      return buffer;
    };
    const size = statSync(archive).size;
    const tail = read(Math.max(0, size - 65_557), Math.min(size, 65_557));
    let end = tail.length - 22;
    while (end >= 0 && tail.readUInt32LE(end) !== END_OF_DIRECTORY) end--;
    if (end < 0) throw new Error(`${archive} is not a ZIP archive`);
    const directory = read(tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    for (let at = 0; at < directory.length && directory.readUInt32LE(at) === DIRECTORY_ENTRY;) {
      const nameLength = directory.readUInt16LE(at + 28);
      const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
      const offset = directory.readUInt32LE(at + 42);
      if (!name.endsWith('/')) {
        const local = read(offset, 30);
        const start = offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
        const packed = read(start, directory.readUInt32LE(at + 20));
        writeEntry(target, name, directory.readUInt16LE(at + 10), packed, directory.readUInt32LE(at + 38) >>> 16);
      }
      at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    }
  } finally {
    closeSync(file);
  }
}

function writeEntry(target: string, name: string, method: number, packed: Buffer, mode: number): void {
  if (normalize(name).startsWith('..') || name.startsWith('/'))
    throw new Error(`a name leads out of the archive: ${name}`);
  if (method !== STORED && method !== DEFLATED) throw new Error(`${name} is packed by an unknown method (${method})`);
  const path = join(target, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, method === STORED ? packed : inflateRawSync(packed));
  if ((mode & 0o777) !== 0) chmodSync(path, mode & 0o777);
}
