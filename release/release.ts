import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compile } from '../injector/agent/compile.ts';
import { CHART, helm } from '../test/chart/helm.ts';
import { cached } from '../test/cluster/cache.ts';
import { run } from '../test/cluster/command.ts';
import { sha256 } from '../test/cluster/image-archive.ts';
import { emulated } from '../test/cluster/emulator.ts';
import { contentHash } from '../test/cluster/images.ts';
import { outside } from '../test/cluster/outside.ts';
import { announce, step } from '../test/cluster/progress.ts';
import { packFolder, writeSums } from './files.ts';
import { ARCHITECTURES, imageArchive, type Architecture } from './image.ts';
import { krewManifest } from './krew.ts';
import { checkStated, checkVersion, notesOf, ReleaseError, statedVersions } from './version.ts';

const HELP = `Makes everything that a release consists of, and publishes nothing: what is left to do is printed.

Usage:
  make release VERSION=X.Y.Z REGISTRY=HOST/PATH DOWNLOADS=URL
  node release/release.ts --version X.Y.Z --registry HOST/PATH --downloads URL

Options:
  --version     of chart, images and kubectl tracing: the one that the checkout says already
  --registry    where images and chart will be, e.g. registry.example.com/tracing
  --downloads   where the files will be, e.g. https://example.com/tracing/v0.1.0

The checkout has to be clean, and CHANGELOG.md to have a heading for the version. The files come into
.release/X.Y.Z: images for amd64 and arm64, the chart, kubectl tracing for npm and for krew, an SBOM, notes, SHA256SUMS.
The same commit gives the same files again on the same machine.

Examples:
  make release VERSION=0.1.0 REGISTRY=registry.example.com/tracing DOWNLOADS=https://example.com/tracing/v0.1.0
  sha256sum --check SHA256SUMS     # in .release/0.1.0
`;

const CHECKOUT = resolve(import.meta.dirname, '..');
/** What kubectl tracing consists of, in dist/. */
const PLUGIN = ['kubectl-tracing', 'kubectl-tracing.LEGAL.txt', 'kubectl_complete-tracing'];

interface Wanted {
  version: string;
  registry: string;
  downloads: string;
}

/** @throws ReleaseError where something is missing or wrong. */
function wanted(values: Record<string, unknown>): Wanted {
  const given = (name: keyof Wanted, example: string): string => {
    const value = values[name];
    if (typeof value === 'string' && value !== '') return value;
    throw new ReleaseError(`--${name} is missing, e.g. --${name} ${example}. All options: --help`);
  };
  const version = given('version', '0.1.0');
  checkVersion(version);
  const registry = given('registry', 'registry.example.com/tracing');
  if (!/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._/-]+)?$/.test(registry))
    throw new ReleaseError(`--registry ${registry}: a host and a path are expected, e.g. registry.example.com/tracing`);
  const downloads = given('downloads', 'https://example.com/tracing/v0.1.0');
  if (!/^https:\/\//.test(downloads) || !URL.canParse(downloads))
    throw new ReleaseError(`--downloads ${downloads}: https:// is expected, e.g. https://example.com/tracing/v0.1.0`);
  return { version, registry, downloads: downloads.replace(/\/$/, '') };
}

const git = async (...args: string[]) => (await run('git', args, { cwd: CHECKOUT })).trim();

/** @throws ReleaseError where a release would not be what the commit says. */
async function checkTree(): Promise<void> {
  const changed = (await git('status', '--porcelain')).split('\n').filter(Boolean);
  if (changed.length === 0) return;
  const shown = [...changed.slice(0, 5), ...(changed.length > 5 ? [`… and ${changed.length - 5} more`] : [])];
  throw new ReleaseError(
    `the checkout is not clean, so nobody could make this release again. Commit or stash:\n${shown.map((each) => `  ${each}`).join('\n')}`,
  );
}

/**
 * What goes into images and archives, by architecture. V8's compiled code comes out a little different each time, so that an
 * agent is built once for what it is made of.
 */
async function build(contexts: Readonly<Record<Architecture, string>>): Promise<void> {
  const scripts = async (...each: string[][]) => {
    for (const args of each) await run(process.execPath, args, { cwd: CHECKOUT });
  };
  await step('bundling the operator and kubectl tracing', { usually: '5 s' }, () =>
    scripts(['operator/build.ts'], ['cli/build.ts']),
  );
  for (const context of Object.values(contexts)) {
    mkdirSync(context);
    for (const name of ['operator', ...PLUGIN])
      cpSync(join(CHECKOUT, 'dist', name), join(context, name), { recursive: true });
  }
  const agent = await cached({
    name: 'released-agent',
    recipe: [
      process.version,
      process.arch,
      contentHash(join(CHECKOUT, 'injector')),
      contentHash(join(CHECKOUT, 'crds')),
      readFileSync(join(CHECKOUT, 'package-lock.json')),
    ],
    title: 'building the agent, with compiled code for both architectures',
    usually: '1 to 2 min',
    make: async (dir) => {
      const own = join(dir, process.arch);
      await scripts(['injector/agent/build.ts', join(own, 'agent')]);
      for (const architecture of ARCHITECTURES.filter((each) => each !== process.arch)) {
        cpSync(own, join(dir, architecture), { recursive: true });
        const failed = compile(join(dir, architecture, 'agent'), { architecture, run: await emulated(architecture) });
        if (failed.length > 0) throw new Error(`no compiled code for ${architecture}: ${failed.join('; ')}`);
      }
    },
  });
  for (const architecture of ARCHITECTURES)
    cpSync(join(agent, architecture), contexts[architecture], { recursive: true });
}

/** kubectl tracing as a package of npm, with the agent that `run` needs. */
async function npmPackage(out: string, context: string, work: string, version: string): Promise<void> {
  const folder = join(work, 'npm');
  for (const name of [...PLUGIN, 'agent']) cpSync(join(context, name), join(folder, name), { recursive: true });
  cpSync(join(CHECKOUT, 'LICENSE'), join(folder, 'LICENSE'));
  writeFileSync(
    join(folder, 'README.md'),
    `# kubectl tracing\n\nThe plug-in of kubectl for tracing-operator, ${version}: \`npx kubectl-tracing --help\`.\nWithout any cluster: \`npx kubectl-tracing run -- node app.js\`.\n`,
  );
  const manifest = {
    name: 'kubectl-tracing',
    version,
    description: 'Traces Node.js services of a Kubernetes cluster, or a command of this machine, without a code change',
    license: 'Apache-2.0',
    bin: { 'kubectl-tracing': 'kubectl-tracing', 'kubectl_complete-tracing': 'kubectl_complete-tracing' },
    engines: { node: '>=20' },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  await run('npm', ['pack', '--silent', '--pack-destination', out], { cwd: folder });
}

/** The chart as helm packs it, packed once more: helm writes the time of the day into it. */
async function chartPackage(out: string, work: string, { version, timestamp }: { version: string; timestamp: number }) {
  await helm('package', CHART, '--destination', work);
  const folder = join(work, 'chart');
  mkdirSync(folder);
  const name = `tracing-operator-${version}.tgz`;
  await run('tar', ['-xzf', join(work, name), '-C', folder]);
  await packFolder(folder, join(out, name), timestamp);
  await helm('lint', '--strict', join(out, name));
}

/** What npm's packages are in it, by the lockfile. Number and time are the commit's, not those of this run. */
async function sbom(file: string, commit: string, timestamp: number): Promise<void> {
  const args = ['sbom', '--sbom-format=cyclonedx', '--package-lock-only', '--omit=dev'];
  const bom = JSON.parse(await run(...outside('npm', args), { cwd: CHECKOUT })) as {
    serialNumber: string;
    metadata: { timestamp: string; component: { name: string } };
  };
  // npm takes the folder's for it.
  bom.metadata.component.name = 'tracing-operator';
  const digits = commit.slice(0, 32).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-5$3-8$4-$5');
  bom.serialNumber = `urn:uuid:${digits}`;
  bom.metadata.timestamp = new Date(timestamp * 1000).toISOString();
  writeFileSync(file, `${JSON.stringify(bom, undefined, 2)}\n`);
}

async function release({ version, registry, downloads }: Wanted): Promise<void> {
  checkStated(version, statedVersions(CHECKOUT));
  await checkTree();
  const notes = notesOf(readFileSync(join(CHECKOUT, 'CHANGELOG.md'), 'utf8'), version);
  const commit = await git('rev-parse', 'HEAD');
  const timestamp = Number(await git('log', '-1', '--format=%ct'));

  const out = join(CHECKOUT, '.release', version);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'release-'));
  const log = join(work, 'log');
  try {
    const contexts = { x64: join(work, 'context-x64'), arm64: join(work, 'context-arm64') };
    await build(contexts);
    for (const [name, dockerfile] of Object.entries({
      operator: 'operator/Dockerfile',
      agent: 'injector/agent/Dockerfile',
    }))
      await step(`the image of the ${name}, for amd64 and arm64`, { usually: '20 s' }, () =>
        imageArchive(
          join(out, `${name}-${version}.oci.tar`),
          { name, dockerfile: join(CHECKOUT, dockerfile), contexts },
          { version, timestamp, work, log },
        ),
      );
    await step('the chart', {}, () => chartPackage(out, work, { version, timestamp }));
    await step('kubectl tracing, for npm and krew', {}, async () => {
      await npmPackage(out, contexts.x64, work, version);
      const folder = join(work, 'npm');
      rmSync(join(folder, 'package.json'));
      const archive = `kubectl-tracing-${version}.tar.gz`;
      await packFolder(folder, join(out, archive), timestamp);
      const sum = await sha256(join(out, archive));
      writeFileSync(join(out, 'tracing.yaml'), krewManifest(version, { uri: `${downloads}/${archive}`, sha256: sum }));
    });
    await step('the SBOM', {}, () => sbom(join(out, 'sbom.cyclonedx.json'), commit, timestamp));
    writeFileSync(join(out, 'NOTES.md'), `# tracing-operator ${version}\n\n${notes}\n`);
    await writeSums(out);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  announce(
    `\n${relative(process.cwd(), out) || '.'} has the release. Nothing is published. What publishes it, there:\n`,
  );
  process.stdout.write(commands({ version, registry, downloads }, commit));
}

/** What is left to do, to be typed in the folder of the release. */
function commands({ version, registry, downloads }: Wanted, commit: string): string {
  const image = (name: string) =>
    `skopeo copy --all oci-archive:${name}-${version}.oci.tar:${version} docker://${registry}/tracing-acme/${name}:${version}`;
  return `${[
    image('operator'),
    image('agent'),
    `helm push tracing-operator-${version}.tgz oci://${registry}/charts`,
    `npm publish kubectl-tracing-${version}.tgz`,
    `git tag v${version} ${commit} && git push origin v${version}`,
    `# upload all files to ${downloads}, then send tracing.yaml to krew's index as plugins/tracing.yaml`,
    '# and people install it by:',
    `# helm install tracing-operator oci://${registry}/charts/tracing-operator --version ${version} --set imageRegistry=${registry} --namespace tracing-system --create-namespace`,
  ].join('\n')}\n`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      version: { type: 'string' },
      registry: { type: 'string' },
      downloads: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  await release(wanted(values));
}

main().catch((error: unknown) => {
  const expected = error instanceof ReleaseError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`release: ${expected ? (error as Error).message : String((error as Error).stack)}\n`);
  process.exitCode = expected ? 2 : 1;
});
