import { succeeds, which } from './command.ts';

export type Flavor = 'kind' | 'source';

/** What the choice depends on. */
export interface Surroundings {
  /** The value of TRACING_CLUSTER. */
  readonly wish: string | undefined;
  readonly dockerAnswers: boolean;
  readonly kindOnPath: boolean;
  readonly platform: string;
}

export interface Choice {
  readonly flavor: Flavor;
  readonly why: string;
}

/** Which Kubernetes, and one line that says why. */
export function choose(surroundings: Surroundings): Choice {
  const { wish, dockerAnswers, kindOnPath, platform } = surroundings;
  const lacking = dockerAnswers ? 'kind is not on PATH' : 'no Docker daemon answers';
  const canKind = dockerAnswers && kindOnPath;
  if (wish !== undefined && wish !== '') {
    if (wish !== 'kind' && wish !== 'source')
      throw new Error(`TRACING_CLUSTER is ${JSON.stringify(wish)}; it can be "kind" or "source".`);
    if (wish === 'kind' && !canKind) throw new Error(`TRACING_CLUSTER=kind, but ${lacking}.`);
    return { flavor: wish, why: `Kubernetes: ${names[wish]}, because TRACING_CLUSTER=${wish}.` };
  }
  if (canKind) return { flavor: 'kind', why: `Kubernetes: ${names.kind}, because Docker answers and kind is on PATH.` };
  if (platform === 'linux') return { flavor: 'source', why: `Kubernetes: ${names.source}, because ${lacking}.` };
  throw new Error(
    `On ${platform} the cluster needs a running Docker and kind (https://kind.sigs.k8s.io) on PATH; ${lacking}.`,
  );
}

const names: Readonly<Record<Flavor, string>> = {
  kind: 'kind (untested: no one has run this path yet)',
  source: 'a single node built from its Go modules',
};

/** Looks at this machine. */
export async function surroundings(): Promise<Surroundings> {
  const [dockerAnswers, kind] = await Promise.all([dockerRuns(), which('kind')]);
  const wish = process.env['TRACING_CLUSTER'];
  return { wish, dockerAnswers, kindOnPath: kind !== undefined, platform: process.platform };
}

let docker: Promise<boolean> | undefined;

/** Whether a Docker daemon answers. Asked once a process. */
export function dockerRuns(): Promise<boolean> {
  return (docker ??= succeeds('docker', ['version', '--format', '{{.Server.Version}}']));
}
