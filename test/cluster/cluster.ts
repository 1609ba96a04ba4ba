import { delimiter, join, resolve } from 'node:path';
import { choose, surroundings, type Choice, type Flavor } from './choose.ts';
import { run, type CommandOptions } from './command.ts';
import { outsideEnvironment } from './outside.ts';
import {
  importImage,
  inNetwork,
  isHealthy,
  isImported,
  killContainer,
  removeSourceCluster,
  startSourceCluster,
  withoutApiServer,
} from './from-source/source-cluster.ts';
import {
  kindExists,
  killKindContainer,
  loadIntoKind,
  removeKindCluster,
  startKindCluster,
  withoutKindApiServer,
} from './kind-cluster.ts';
import { withLock } from './lock.ts';
import { namesFor, type Names } from './names.ts';
import { announce, step, until } from './progress.ts';
import { toolsFolder } from './tools.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');

/** The Kubernetes of this checkout. Opening it starts nothing. */
export class Cluster {
  readonly names: Names;
  readonly choice: Choice;
  /** The folder with helm and kubectl; undefined where those on PATH are used. */
  readonly tools: string | undefined;

  constructor(names: Names, choice: Choice, tools: string | undefined) {
    this.names = names;
    this.choice = choice;
    this.tools = tools;
  }

  get flavor(): Flavor {
    return this.choice.flavor;
  }

  /** One line: which Kubernetes, and why that. */
  get why(): string {
    return this.choice.why;
  }

  /** A file of our own: the user's kubeconfig is never touched. */
  get kubeconfig(): string {
    return this.names.kubeconfig;
  }

  /** Makes sure that the cluster is up: starts it, or finds it healthy. */
  async up(): Promise<'started' | 'reused'> {
    const start = this.flavor === 'kind' ? startKindCluster : startSourceCluster;
    return this.#alone(() => start(this.names, this.#kubectl));
  }

  /** Removes every trace of the cluster. */
  async down(): Promise<void> {
    const remove = this.flavor === 'kind' ? removeKindCluster : removeSourceCluster;
    await this.#alone(() => remove(this.names));
  }

  /** Whether it is up and answers. */
  async isUp(): Promise<boolean> {
    if (this.flavor === 'source') return isHealthy(this.names, this.#kubectl);
    return kindExists(this.names);
  }

  /** Loads an image into the cluster's node, unless that very archive is in it. */
  async load(image: { readonly ref: string; readonly archive: string }): Promise<void> {
    const { ref, archive } = image;
    if (this.flavor === 'source' && isImported(this.names, ref, archive)) return;
    const load = () =>
      this.flavor === 'kind' ? loadIntoKind(this.names, archive) : importImage(this.names, ref, archive);
    await step(`loading ${ref}`, {}, load);
  }

  /** Runs `work` while there is no API server, and waits until there is one again. */
  async withoutApiServer<T>(work: () => Promise<T>): Promise<T> {
    const without = this.flavor === 'kind' ? withoutKindApiServer : withoutApiServer;
    const result = await without(this.names, work);
    await until('the API server does not come back', 120_000, () =>
      this.run('kubectl', ['--request-timeout=5s', 'get', '--raw', '/readyz']).then(
        () => true,
        () => false,
      ),
    );
    return result;
  }

  /** Kills the process of a container at once, by its id without `containerd://`; the kubelet starts it again. */
  async killContainer(id: string): Promise<void> {
    await (this.flavor === 'kind' ? killKindContainer : killContainer)(this.names, id);
  }

  /** The environment for commands that talk to the cluster: KUBECONFIG, the tools first in PATH, helm's folders our own. */
  environment(base: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
    const path = [this.tools, base['PATH']].filter(Boolean).join(delimiter);
    const helm = join(this.names.runDir, 'helm');
    const folders = {
      HELM_CACHE_HOME: `${helm}/cache`,
      HELM_CONFIG_HOME: `${helm}/config`,
      HELM_DATA_HOME: `${helm}/data`,
    };
    return { ...outsideEnvironment(), ...base, ...folders, KUBECONFIG: this.kubeconfig, PATH: path };
  }

  /** A command as it has to be spawned to reach the cluster's addresses: inside its network namespace, where it has one. */
  wrap(command: string, args: readonly string[]): [string, string[]] {
    return this.flavor === 'kind' ? [command, [...args]] : inNetwork(this.names, command, args);
  }

  /** Runs a command that reaches the cluster and resolves to its standard output. */
  async run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return run(...this.wrap(command, args), { ...options, env: this.environment(options.env) });
  }

  get #kubectl(): string {
    return this.tools === undefined ? 'kubectl' : join(this.tools, 'kubectl');
  }

  /** Two commands on the same cluster at the same time would undo each other's work. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const onWait = (pid: number) => announce(`• process ${pid} is at work on this cluster, waiting`);
    return withLock(`${this.names.runDir}.lock`, { onWait }, work);
  }
}

/** The cluster of this checkout, of the kind that fits the machine; TRACING_CLUSTER_PURPOSE names another than the demo's. */
export async function openCluster(purpose = process.env['TRACING_CLUSTER_PURPOSE']): Promise<Cluster> {
  const choice = choose(await surroundings());
  return new Cluster(namesFor(CHECKOUT, undefined, purpose), choice, await toolsFolder());
}
