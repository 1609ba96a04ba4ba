import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { goBuild } from '../go.ts';
import { writeImageArchive } from '../image-archive.ts';

const SOURCE = join(import.meta.dirname, 'collector');

/**
 * An image of the OpenTelemetry Collector that starts like the official one of its contrib distribution, with those of its
 * components alone that `collector/main.go` names.
 */
export async function collectorArchive(ref: string): Promise<string> {
  const program = join(await collectorFolder(ref.slice(ref.lastIndexOf(':') + 1)), 'otelcol-contrib');
  const folder = await cached({
    name: 'server-collector',
    recipe: [program, ref, readFileSync(import.meta.filename)],
    title: `making the image ${ref}`,
    usually: '2 s',
    make: async (dir) => {
      const root = join(dir, 'root');
      mkdirSync(root, { mode: 0o755 });
      cpSync(program, join(root, 'otelcol-contrib'));
      const start = { Entrypoint: ['/otelcol-contrib'], Cmd: ['--config', '/etc/otelcol-contrib/config.yaml'] };
      await writeImageArchive(join(dir, 'image.tar'), ref, root, { ...start, User: '10001' });
      rmSync(root, { recursive: true });
    },
  });
  return join(folder, 'image.tar');
}

async function collectorFolder(version: string): Promise<string> {
  const files = readdirSync(SOURCE).sort();
  return cached({
    name: `collector-${version}`,
    recipe: [process.arch, ...files.flatMap((file) => [file, readFileSync(join(SOURCE, file))])],
    title: `building the OpenTelemetry Collector ${version} from its Go modules`,
    usually: '2 to 5 min on two cores, once',
    make: (dir, log) =>
      goBuild({ folder: SOURCE, package: '.', output: join(dir, 'otelcol-contrib'), ldflags: '-s -w', log }),
  });
}
