import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { addShell, addUser } from '../bases.ts';
import { cached } from '../cache.ts';
import { isLibrary, unpackDebian } from '../debian.ts';
import { goBuild, goBuildModule } from '../go.ts';
import { writeImageArchive, type ImageConfig } from '../image-archive.ts';
import { ensurePackages, IMAGE_NEEDS } from '../packages.ts';
import { ENVOY, envoyFolder } from '../servers/envoy.ts';

/**
 * Istio 1.31 of its Go module: the control plane, the agent of its proxies, and its charts. No registry has an image of this
 * very state, so that kind, too, gets those that are made here; releases of Istio would do as well there, with the values
 * `hub` and `tag` of the charts.
 */
const MODULE = 'istio.io/istio';
const VERSION = 'v0.0.0-20260827124520-eed52ebb66ad';

/** How its images are called, but for `pilot` and `proxyv2`. */
export const ISTIO_IMAGES = { hub: 'istio', tag: '1.31-eed52ebb66ad' } as const;

const USER_ID = 1337;
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
const LDFLAGS = '-s -w';
/** As Istio's own builds do: generated checks of messages are left out, and of the agent what is the control plane's. */
const PROGRAMS = [
  { name: 'pilot-discovery', tags: ['disable_pgv'] },
  { name: 'pilot-agent', tags: ['disable_pgv', 'agent'] },
] as const;
const BOOTSTRAP = 'tools/packaging/common/envoy_bootstrap.json';

/** The folder of Istio's programs, of `charts` and of `envoy_bootstrap.json` in the cache. */
export function istioFolder(): Promise<string> {
  return cached({
    name: `istio-${VERSION}`,
    recipe: [process.arch, LDFLAGS, JSON.stringify(PROGRAMS)],
    title: `building Istio 1.31 (module ${VERSION}) from its Go module`,
    usually: '5 to 8 min on two cores, once',
    make: async (dir, log) => {
      const builds = PROGRAMS.map(({ name, tags }) => ({
        package: `./pilot/cmd/${name}`,
        output: join(dir, name),
        ldflags: LDFLAGS,
        tags,
        log,
      }));
      await goBuildModule(`${MODULE}@${VERSION}`, builds[0]!, async (folder) => {
        await goBuild({ ...builds[1]!, folder });
        cpSync(join(folder, 'manifests/charts'), join(dir, 'charts'), { recursive: true });
        cpSync(join(folder, BOOTSTRAP), join(dir, 'envoy_bootstrap.json'));
      });
    },
  });
}

/** An image of istiod that starts like the official one. */
export function istiodArchive(ref: string): Promise<string> {
  return istioImage(ref, {
    title: `making the image ${ref}`,
    fill: (root, istio) => {
      put(join(istio, 'pilot-discovery'), join(root, 'usr/local/bin/pilot-discovery'));
      return Promise.resolve();
    },
    config: { Entrypoint: ['/usr/local/bin/pilot-discovery'], User: `${USER_ID}:${USER_ID}` },
  });
}

/**
 * An image of Istio's proxy that starts like the official one, sidecars' redirecting of a pod's traffic included. Its Envoy is
 * the plain one: without the filters of Istio's own build, which its charts can do without.
 */
export function istioProxyArchive(ref: string): Promise<string> {
  return istioImage(ref, {
    title: `making the image ${ref} of Envoy ${ENVOY.version} and Debian's iptables`,
    fill: async (root, istio, log) => {
      await unpackDebian('iptables', root, { isNeeded: isLibrary, log });
      // Debian makes these links when it installs the package.
      for (const program of ['iptables', 'ip6tables'])
        for (const suffix of ['', '-save', '-restore'])
          symlinkSync(`${program}-nft${suffix}`, join(root, 'usr/sbin', `${program}${suffix}`));
      put(join(istio, 'pilot-agent'), join(root, 'usr/local/bin/pilot-agent'));
      put(join(await envoyFolder(), 'envoy'), join(root, 'usr/local/bin/envoy'));
      const bootstrap = join(root, 'var/lib/istio/envoy/envoy_bootstrap_tmpl.json');
      mkdirSync(dirname(bootstrap), { recursive: true });
      writeFileSync(bootstrap, plain(readFileSync(join(istio, 'envoy_bootstrap.json'), 'utf8')), { mode: 0o644 });
    },
    config: { Entrypoint: ['/usr/local/bin/pilot-agent'], User: `${USER_ID}:${USER_ID}` },
  });
}

/** Envoy's first settings without an extension of Istio's own build, that waypoints ask for whatever they are told. */
function plain(bootstrap: string): string {
  const [before, wanted, ...after] = bootstrap.split('{{- if .metadata_discovery }}');
  if (wanted?.includes('istio.workload.BootstrapExtension') !== true) throw new Error(`${BOOTSTRAP} is another one`);
  return [`${before}{{- if false }}${wanted}`, ...after].join('{{- if .metadata_discovery }}');
}

interface Content {
  title: string;
  fill: (root: string, istio: string, log: string) => Promise<void>;
  config: ImageConfig;
}

async function istioImage(ref: string, { title, fill, config }: Content): Promise<string> {
  const istio = await istioFolder();
  const folder = await cached({
    name: `server-${ref.replace(/[/:]/g, '-')}`,
    recipe: [process.arch, ref, istio, ENVOY.sha256, readFileSync(import.meta.filename)],
    title,
    usually: '10 to 30 s',
    make: async (dir, log) => {
      await ensurePackages(IMAGE_NEEDS);
      const root = join(dir, 'root');
      mkdirSync(root, { mode: 0o755 });
      await addShell(root);
      addUser(root, 'istio-proxy', USER_ID, '/var/lib/istio');
      if (existsSync(CERTIFICATES)) put(CERTIFICATES, join(root, CERTIFICATES));
      await fill(root, istio, log);
      const Env = ['PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];
      await writeImageArchive(join(dir, 'image.tar'), ref, root, { ...config, Env });
      rmSync(root, { recursive: true });
    },
  });
  return join(folder, 'image.tar');
}

function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
  chmodSync(to, 0o755);
}
