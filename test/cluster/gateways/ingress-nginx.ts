import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { run } from '../command.ts';
import { goBuildModule } from '../go.ts';

/** The controller's 1.11, as its module is versioned. */
const VERSION = 'v0.0.0-20240708192948-52c50467d67d';
const SOURCE = join(import.meta.dirname, 'ingress-nginx');
const TEMPLATE = 'nginx.tmpl';

/** What the controller has NGINX run with. */
export interface NginxRendering {
  /** nginx.conf */
  nginx: string;
  /** What its OpenTelemetry module reads. */
  module: string;
  /** What an Ingress's annotations are taken for, by NAMESPACE/NAME. */
  ingresses: Record<
    string,
    { enabled: boolean; set: boolean; 'trust-enabled': boolean; 'trust-set': boolean; 'operation-name': string }
  >;
}

/**
 * What ingress-nginx would configure NGINX with: its store, its parsers and its template, without an API server or NGINX.
 * @param configMap the controller's, as NAMESPACE/NAME
 */
export async function renderForNginx(configMap: string, objects: readonly object[]): Promise<NginxRendering> {
  const folder = await nginxRenderingFolder();
  const input = JSON.stringify({ configMap, objects });
  return JSON.parse(await run(join(folder, 'rendering'), [join(folder, TEMPLATE)], { input })) as NginxRendering;
}

/** The folder of the program that renders, with the template, in the cache. */
export function nginxRenderingFolder(): Promise<string> {
  const [main, rendering] = ['main.go', 'rendering.go'].map((file) => readFileSync(join(SOURCE, file), 'utf8'));
  return cached({
    name: `ingress-nginx-${VERSION}`,
    recipe: [process.arch, main!, rendering!],
    title: 'building what ingress-nginx configures NGINX with, from its Go module',
    usually: '2 to 4 min on two cores, once',
    make: (dir, log) =>
      goBuildModule(
        `k8s.io/ingress-nginx@${VERSION}`,
        {
          package: './cmd/rendering',
          output: join(dir, 'rendering'),
          ldflags: '-s -w',
          log,
          // What it renders by is not exported.
          files: { 'cmd/rendering/main.go': main!, 'internal/ingress/controller/rendering.go': rendering! },
        },
        (folder) => {
          copyFileSync(join(folder, 'rootfs/etc/nginx/template', TEMPLATE), join(dir, TEMPLATE));
          return Promise.resolve();
        },
      ),
  });
}
