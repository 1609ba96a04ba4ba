import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { Sink } from '../agent/sink.ts';
import { helm } from '../chart/helm.ts';
import { run } from '../cluster/command.ts';
import { emulated } from '../cluster/emulator.ts';
import { ociArchitecture } from '../cluster/image-archive.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const { version: VERSION } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string };
const DOWNLOADS = `https://example.com/tracing/v${VERSION}`;
/** e_machine of an ELF file. */
const MACHINES = { amd64: 62, arm64: 183 };
/** Before the agent: counts which compiled code V8 takes and refuses. */
const COUNTING = `
  const vm = require('vm');
  const compiled = (globalThis.compiled = { taken: 0, refused: 0 });
  const { Script } = vm;
  vm.Script = class extends Script {
    constructor(source, options) {
      super(source, options);
      if (options && options.cachedData) compiled[this.cachedDataRejected ? 'refused' : 'taken']++;
    }
  };`;
const APP = `
  const server = require('http').createServer((request, response) => response.end('hello'));
  server.listen(0, '127.0.0.1', async () => {
    const answer = await fetch('http://127.0.0.1:' + server.address().port + '/greeting');
    console.log(process.arch, await answer.text(), JSON.stringify(globalThis.compiled));
    server.close();
  });`;

interface Descriptor {
  digest: string;
  size: number;
  platform?: { architecture: keyof typeof MACHINES; os: string };
  annotations?: Record<string, string>;
}

/** A release, made from a commit of this checkout as it is, with a heading in the changelog as a release has it. */
describe('a release', () => {
  const folder = mkdtempSync(join(tmpdir(), 'release-test-'));
  const copy = join(folder, 'checkout');
  const out = join(copy, '.release', VERSION);
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=test', '-c', 'user.email=test@example.com', ...args], { cwd: copy });
  const release = (...args: string[]) => run(process.execPath, ['release/release.ts', ...args], { cwd: copy });
  const all = ['--version', VERSION, '--registry', 'registry.example.com/tracing', '--downloads', DOWNLOADS];
  const sums = () => readFileSync(join(out, 'SHA256SUMS'), 'utf8');
  let printed = '';

  beforeAll(async () => {
    mkdirSync(copy);
    const skipped = ['node_modules', 'dist', '.git', '.release', '.demo'].map((name) => `--exclude=./${name}`);
    const nested = ['--exclude=examples/*/node_modules'];
    await run('sh', ['-c', 'tar "$@" -cf - . | tar -xf - -C "$0"', copy, ...skipped, ...nested, '-C', CHECKOUT]);
    symlinkSync(join(CHECKOUT, 'node_modules'), join(copy, 'node_modules'));
    const changelog = join(copy, 'CHANGELOG.md');
    const text = readFileSync(changelog, 'utf8').replace(/^## Unreleased: .*$/m, `## ${VERSION} (2027-01-31)`);
    writeFileSync(changelog, text);
    await git('init', '--quiet');
    await git('add', '--all');
    await git('commit', '--quiet', '--message', 'a release');
    printed = await release(...all);
  }, 900_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is refused from a checkout that is not clean, of another version, or without a place to publish', async () => {
    const file = join(copy, 'not-committed');
    writeFileSync(file, '');
    try {
      await expect(release(...all)).rejects.toThrow(/not clean.*Commit or stash:\n {2}\?\? not-committed/);
    } finally {
      rmSync(file);
    }
    await expect(release(...all.with(1, '9.9.9'))).rejects.toThrow(
      /version in package\.json is .*Set these to 9\.9\.9/s,
    );
    await expect(release(...all.with(1, 'v1'))).rejects.toThrow(/"v1" is no version: .*e\.g\. 0\.1\.0/);
    await expect(release(...all.slice(0, 2))).rejects.toThrow(/--registry is missing, e\.g\. --registry registry/);
    await expect(release(...all, '--push')).rejects.toThrow(/--push/);
    expect(await release('--help')).toContain('make release VERSION=');
  });

  it('has each file that it promises, with the sum of it', async () => {
    expect(readdirSync(out).sort()).toEqual(
      [
        ...['NOTES.md', 'SHA256SUMS', 'sbom.cyclonedx.json', 'tracing.yaml'],
        ...['agent', 'operator'].map((name) => `${name}-${VERSION}.oci.tar`),
        ...[`kubectl-tracing-${VERSION}.tar.gz`, `kubectl-tracing-${VERSION}.tgz`, `tracing-operator-${VERSION}.tgz`],
      ].sort(),
    );
    expect((await run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: out })).match(/: OK$/gm)).toHaveLength(8);
    expect(readFileSync(join(out, 'NOTES.md'), 'utf8')).toMatch(/^# tracing-operator [\d.]+\n\n.*Injection/s);
    expect(printed).toContain(
      `skopeo copy --all oci-archive:operator-${VERSION}.oci.tar:${VERSION} docker://registry.example.com/tracing/tracing-acme/operator:${VERSION}`,
    );
    expect(printed).toContain(`helm push tracing-operator-${VERSION}.tgz oci://registry.example.com/tracing/charts`);
  });

  it.each([
    ['operator', 'usr/local/bin/node', 'node'],
    ['agent', 'bin/busybox', '/bin/copy-agent'],
  ])('has an image of the %s for both architectures', async (name, program, command) => {
    const layout = join(folder, name);
    mkdirSync(layout);
    await run('tar', ['-xf', join(out, `${name}-${VERSION}.oci.tar`), '-C', layout]);
    const blob = ({ digest, size }: Descriptor): string => {
      const path = join(layout, 'blobs', digest.replace(':', '/'));
      const content = readFileSync(path);
      expect([`sha256:${createHash('sha256').update(content).digest('hex')}`, content.length]).toEqual([digest, size]);
      return path;
    };
    const read = <T>(path: string) => JSON.parse(readFileSync(path, 'utf8')) as T;
    const [root] = read<{ manifests: [Descriptor] }>(join(layout, 'index.json')).manifests;
    expect(root.annotations).toEqual({ 'org.opencontainers.image.ref.name': VERSION });
    const { manifests } = read<{ manifests: Descriptor[] }>(blob(root));
    expect(manifests.map(({ platform }) => `${platform?.os}/${platform?.architecture}`)).toEqual([
      'linux/amd64',
      'linux/arm64',
    ]);
    for (const manifest of manifests) {
      const { architecture } = manifest.platform!;
      const { config, layers } = read<{ config: Descriptor; layers: Descriptor[] }>(blob(manifest));
      const image = read<{ architecture: string; config: { Cmd: string[]; Entrypoint: string[] } }>(blob(config));
      expect(image.architecture).toBe(architecture);
      expect([...image.config.Entrypoint, ...image.config.Cmd]).toContain(command);
      const root = join(folder, `${name}-${architecture}`);
      mkdirSync(root);
      for (const layer of layers) await run('tar', ['-xzf', blob(layer), '-C', root, '--no-same-owner']);
      expect(readFileSync(join(root, program)).readUInt16LE(18)).toBe(MACHINES[architecture]);
    }
  });

  it('runs on the other architecture, with an agent that is compiled for it', async () => {
    const other = process.arch === 'arm64' ? 'x64' : 'arm64';
    const [operator, agent] = ['operator', 'agent'].map((name) => join(folder, `${name}-${ociArchitecture(other)}`));
    const emulator = await emulated(other);
    const [program, ...before] = emulator as [string, ...string[]];
    const node = (args: string[], env?: NodeJS.ProcessEnv) =>
      run(program, [...before, join(operator!, 'usr/local/bin/node'), ...args], { env: { ...env, HOME: folder } });
    await expect(node([join(operator!, 'app/main.cjs'), '--config', '/not/there'])).rejects.toThrow(
      "tracing-operator: ENOENT: no such file or directory, open '/not/there'",
    );
    expect(await node([join(operator!, 'usr/local/bin/kubectl-tracing'), '--help'])).toContain(
      'Usage: kubectl tracing',
    );

    // What the init container starts has to be of the other architecture too, each of its commands.
    const commands = join(folder, 'commands');
    mkdirSync(commands);
    for (const name of ['sh', 'cp', 'cmp', 'stat', 'sha256sum', 'chmod', 'mv', 'rm', 'rmdir', 'mktemp']) {
      const line = `exec ${emulator.join(' ')} ${join(agent!, 'bin/busybox')} ${name} "$@"`;
      writeFileSync(join(commands, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    }
    const mounted = join(folder, 'mounted');
    mkdirSync(mounted);
    const env = { PATH: commands, AGENT_SOURCE: join(agent!, 'agent') };
    expect(await run(join(commands, 'sh'), [join(agent!, 'bin/copy-agent'), mounted], { env })).toMatch(
      /^agent copied to .*: 8 files, /,
    );
    expect(readdirSync(mounted).filter((file) => file.endsWith(`-linux-${other}.cache`))).toHaveLength(4);

    const sink = await Sink.start();
    try {
      const [counting, app] = [join(folder, 'counting.cjs'), join(folder, 'app.cjs')];
      writeFileSync(counting, COUNTING);
      writeFileSync(app, APP);
      const said = await node([app], {
        NODE_OPTIONS: `--require ${counting} --require ${join(mounted, 'register.cjs')}`,
        OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
        OTEL_SERVICE_NAME: 'greeter',
      });
      expect(said).toMatch(new RegExp(`^${other} hello {"taken":[1-9]\\d*,"refused":0}\n$`));
      await sink.until((spans) => spans.some(({ attributes }) => attributes['url.path'] === '/greeting'));
    } finally {
      await sink.stop();
    }
  }, 120_000);

  it('has a chart that helm installs, of this version', async () => {
    const chart = join(out, `tracing-operator-${VERSION}.tgz`);
    const text = await helm('template', 'x', chart, '--set', 'imageRegistry=registry.example.com/tracing');
    expect(text).toContain(`image: registry.example.com/tracing/tracing-acme/operator:${VERSION}`);
    expect(text).toContain('kind: CustomResourceDefinition');
  });

  it('has an npm package from which a process is traced in an empty folder', async () => {
    const app = join(folder, 'app');
    mkdirSync(app);
    writeFileSync(join(app, 'package.json'), '{ "name": "my-app", "private": true }');
    const source = `
      const server = require('node:http').createServer((request, response) => response.end('hello'));
      server.listen(0, '127.0.0.1', async () => {
        console.log(await (await fetch('http://127.0.0.1:' + server.address().port + '/greeting')).text());
        setTimeout(() => server.close(), 1500);
      });`;
    writeFileSync(join(app, 'app.js'), source);
    const shell = (command: string) => run('sh', ['-c', `${command} 2>&1`], { cwd: app });
    await shell(`npm install --no-audit --no-fund --offline '${join(out, `kubectl-tracing-${VERSION}.tgz`)}'`);
    expect(await shell('npx --no-install kubectl-tracing --help')).toContain('kubectl tracing explain deployment/web');
    const text = await shell('PATH="$PWD/node_modules/.bin:$PATH"; kubectl-tracing run -- node app.js');
    expect(text).toMatch(/^hello$/m);
    expect(text).toMatch(/my-app/);
    expect(text).toMatch(/GET/);
    expect(text).toMatch(/kubectl tracing: 1 trace$/m);
  });

  it("has a manifest for krew by krew's rules, and an archive that is what it says", async () => {
    const archive = `kubectl-tracing-${VERSION}.tar.gz`;
    const { metadata, spec, ...rest } = load(readFileSync(join(out, 'tracing.yaml'), 'utf8')) as {
      metadata: { name: string };
      spec: { version: string; shortDescription: string; description: string; platforms: Record<string, unknown>[] };
    };
    expect(rest).toEqual({ apiVersion: 'krew.googlecontainertools.github.com/v1alpha2', kind: 'Plugin' });
    expect(metadata.name).toMatch(/^[\w-]+$/);
    expect(spec.version).toMatch(/^v\d+\.\d+\.\d+/);
    expect(spec.shortDescription).toMatch(/^[A-Z].{1,48}[^.]$/);
    expect(spec.description.split('\n').every((line) => line.length <= 80)).toBe(true);
    const [platform] = spec.platforms;
    const sum = createHash('sha256')
      .update(readFileSync(join(out, archive)))
      .digest('hex');
    expect(platform).toMatchObject({ uri: `${DOWNLOADS}/${archive}`, sha256: sum, bin: 'kubectl-tracing' });
    const plugin = join(folder, 'plugin');
    mkdirSync(plugin);
    await run('tar', ['-xzf', join(out, archive), '-C', plugin]);
    // krew's index takes no archive without its license.
    expect(readdirSync(plugin)).toEqual(expect.arrayContaining(['LICENSE', 'kubectl-tracing', 'agent']));
    expect(await run(join(plugin, 'kubectl-tracing'), ['--help'])).toContain('Usage: kubectl tracing VERB');
  });

  it('has an SBOM with what is delivered, and nothing of what it is tested with', () => {
    const bom = JSON.parse(readFileSync(join(out, 'sbom.cyclonedx.json'), 'utf8')) as {
      bomFormat: string;
      metadata: { component: { name: string; version: string } };
      components: { name: string; group?: string; purl: string }[];
    };
    expect(bom.bomFormat).toBe('CycloneDX');
    expect(bom.metadata.component).toMatchObject({ name: 'tracing-operator', version: VERSION });
    const names = bom.components.map(({ purl }) => decodeURIComponent(purl.replace(/@[^@]*$/, '')));
    expect(names).toEqual(expect.arrayContaining(['pkg:npm/pino', 'pkg:npm/@opentelemetry/api']));
    expect(names).not.toContain('pkg:npm/jest');
  });

  it('is the same again, to the byte', async () => {
    const before = sums();
    rmSync(join(copy, '.release'), { recursive: true });
    rmSync(join(copy, 'dist'), { recursive: true });
    await release(...all);
    expect(sums()).toBe(before);
  }, 900_000);
});
