import { run, which } from './command.ts';
import { outside } from './outside.ts';

export interface GoBuild {
  readonly folder: string;
  readonly package: string;
  readonly output: string;
  readonly ldflags: string;
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
    '-ldflags',
    build.ldflags,
    '-o',
    build.output,
  ];
  const env = { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOWORK: 'off', GOFLAGS: '' };
  await run(...outside('go', [...args, build.package]), { cwd: build.folder, log: build.log, env });
}

/** Throws with what to do unless there is a Go. An older one says itself which version a module wants. */
export async function requireGo(): Promise<void> {
  if ((await which('go')) !== undefined) return;
  throw new Error(
    'Go is missing, and the cluster is built from source: install Go 1.25 or newer from https://go.dev/dl',
  );
}
