import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

let version = 0;

/** Writes a directory the way the kubelet does: files behind `..data`, swapped at once. */
export function writeMounted(directory: string, files: Record<string, string>): void {
  const folder = `..${process.pid}_${++version}`;
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, folder, name)), { recursive: true });
    writeFileSync(join(directory, folder, name), text);
  }
  mkdirSync(join(directory, folder), { recursive: true });
  symlinkSync(folder, join(directory, '..next'));
  renameSync(join(directory, '..next'), join(directory, '..data'));
  for (const name of new Set(Object.keys(files).map((file) => file.split('/')[0]!))) {
    rmSync(join(directory, name), { force: true });
    symlinkSync(`..data/${name}`, join(directory, name));
  }
}

/** Puts a policy that says this about sampling, and sends spans there, into a process' policy directory. */
export function writePolicy(directory: string, endpoint: string, sampling: object): void {
  const spec = {
    sampling,
    exporters: [{ name: 'default', protocol: 'http/protobuf', endpoint }],
    propagators: ['tracecontext', 'baggage'],
  };
  const document = JSON.stringify({ key: 'p.json', revision: `r${version}`, source: 'test', spec });
  writeMounted(directory, { 'pod/key': 'p.json', 'p.json': document });
}
