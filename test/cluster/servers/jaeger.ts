import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { goBuildModule } from '../go.ts';
import { writeImageArchive } from '../image-archive.ts';

const MODULE = 'github.com/jaegertracing/jaeger';
const VERSION = 'v1.76.0';
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** An image of Jaeger 2 that starts like the official one. Its web page is not in the Go module: the query API is. */
export async function jaegerArchive(ref: string): Promise<string> {
  const program = join(await jaegerFolder(), 'jaeger');
  const folder = await cached({
    name: 'server-jaeger',
    recipe: [program, ref, readFileSync(import.meta.filename)],
    title: `making the image ${ref}`,
    usually: '2 s',
    make: async (dir) => {
      const root = join(dir, 'root');
      for (const path of ['cmd/jaeger', 'etc/ssl/certs', 'tmp'])
        mkdirSync(join(root, path), { recursive: true, mode: 0o755 });
      cpSync(program, join(root, 'cmd/jaeger/jaeger-linux'));
      if (existsSync(CERTIFICATES)) cpSync(CERTIFICATES, join(root, CERTIFICATES));
      // As in the official image: the built-in configuration listens where this variable says, by default on loopback.
      const Env = ['PATH=/cmd/jaeger', 'JAEGER_LISTEN_HOST=0.0.0.0'];
      const start = { Entrypoint: ['/cmd/jaeger/jaeger-linux'], User: '10001', Volumes: { '/tmp': {} } };
      await writeImageArchive(join(dir, 'image.tar'), ref, root, { Env, ...start });
      rmSync(root, { recursive: true });
    },
  });
  return join(folder, 'image.tar');
}

async function jaegerFolder(): Promise<string> {
  return cached({
    name: `jaeger-${VERSION}`,
    recipe: [process.arch],
    title: `building Jaeger 2 (module ${VERSION}) from its Go module`,
    usually: '3 to 5 min on two cores, once',
    make: (dir, log) =>
      goBuildModule(`${MODULE}@${VERSION}`, {
        package: './cmd/jaeger',
        output: join(dir, 'jaeger'),
        ldflags: '-s -w',
        log,
      }),
  });
}
