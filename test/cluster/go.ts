import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run, which } from './command.ts';
import { outside } from './outside.ts';

export interface GoBuild {
  readonly folder: string;
  readonly package: string;
  readonly output: string;
  readonly ldflags: string;
  /** Build tags. */
  readonly tags?: readonly string[];
  readonly log: string;
}

/** `go build` of a static program, with nothing but go.mod and go.sum deciding what goes in. */
export async function goBuild(build: GoBuild): Promise<void> {
  await requireGo();
  const args = [
    'build',
    '-mod=readonly',
    '-trimpath',
    '-buildvcs=false',
    `-tags=${(build.tags ?? []).join(',')}`,
    '-ldflags',
    build.ldflags,
    '-o',
    build.output,
  ];
  const env = { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOWORK: 'off', GOFLAGS: '' };
  await run(...outside('go', [...args, build.package]), { cwd: build.folder, log: build.log, env });
}

/** Of a program of another's module. */
export interface GoModuleBuild extends Omit<GoBuild, 'folder'> {
  /** Texts of files that the module lacks, by their paths in it. */
  readonly files?: Readonly<Record<string, string>>;
}

/**
 * Builds a program of a Go module in a copy of it: as the main module, its own go.mod and go.sum decide what goes in.
 * @param also does something with that copy before it is removed.
 */
export async function goBuildModule(
  module: string,
  build: GoModuleBuild,
  also: (folder: string) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tracing-go-'));
  try {
    await run('cp', ['-R', `${await goModule(module)}/.`, folder]);
    await run('chmod', ['-R', 'u+w', folder]);
    for (const [path, text] of Object.entries(build.files ?? {})) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    await goBuild({ ...build, folder });
    await also(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The folder of a module, `PATH@VERSION`, in Go's cache: downloaded where it is not there yet, and never to be written to. */
export async function goModule(module: string): Promise<string> {
  await requireGo();
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '' };
  const said = await run(...outside('go', ['mod', 'download', '-json', module]), { env, cwd: tmpdir() });
  return (JSON.parse(said) as { Dir: string }).Dir;
}

/** Throws with what to do unless there is a Go. An older one says itself which version a module wants. */
export async function requireGo(): Promise<void> {
  if ((await which('go')) !== undefined) return;
  throw new Error(
    'Go is missing, and some of what runs here is built from source: install Go 1.25 or newer from https://go.dev/dl',
  );
}
