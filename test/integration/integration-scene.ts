import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { PolicyStatus } from '../../crds/tracing-policy.ts';
import { ApiError, APPLY, KubeClient } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';
import { applyCrds, makeNamespace } from './api-server.ts';
import { install, OperatorProcess, requireNoOperator } from './operator-process.ts';
import type { Installation } from './operator-process.ts';

export const HURRY = ['--import', new URL('hurry.ts', import.meta.url).pathname];
export const POLICIES = '/apis/tracing.acme/v1alpha1';
export const exporters = [{ name: 'default', endpoint: 'http://collector.observability:4318' }];
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** Of another system, as much of it as is read here. */
export interface Crd {
  metadata: { name: string };
  spec: { group: string; names: { plural: string }; versions: { name: string; served: boolean }[] };
}

/**
 * The operator as a real process on a real API server, in which other systems have no more than their definitions and
 * settings. Each test has an operator of its own, and a namespace that is the system's.
 *
 * @param integrations the operator's configuration, by the name of that namespace.
 */
export function integrationScene(integrations: (home: string) => object): IntegrationScene {
  const scene = new IntegrationScene();
  beforeAll(() => scene.open(), 60_000);
  beforeEach(() => scene.begin(integrations));
  afterEach(() => scene.end(), 90_000);
  afterAll(() => scene.close());
  return scene;
}

export class IntegrationScene {
  readonly client = KubeClient.fromDefault();
  home = '';
  operator!: OperatorProcess;
  readonly #namespaces: Awaited<ReturnType<typeof makeNamespace>>[] = [];
  readonly #defined = new Map<string, Crd>();
  #removeCrds!: () => Promise<void>;
  #installation!: Installation;

  async open(): Promise<void> {
    await requireNoOperator(this.client);
    this.#removeCrds = await applyCrds(this.client);
  }

  async begin(integrations: (home: string) => object): Promise<void> {
    this.#installation = await install(this.client);
    this.home = await this.namespaceOf({});
    this.operator = new OperatorProcess({ ...this.#installation, integrations: integrations(this.home) });
  }

  async end(): Promise<void> {
    await this.operator.end();
    for (const crd of this.#defined.values()) await this.undefine(crd);
    await Promise.all(this.#namespaces.splice(0).map((each) => each.delete().catch(() => undefined)));
    await this.#installation.remove();
  }

  async close(): Promise<void> {
    await this.#removeCrds();
    this.client.close();
  }

  /** Its name. */
  async namespaceOf(labels: Record<string, string> = {}): Promise<string> {
    const made = await makeNamespace(this.client, labels);
    this.#namespaces.push(made);
    return made.name;
  }

  apply(where: string, body: object, fieldManager = 'test'): Promise<unknown> {
    return this.client.request('PATCH', where, { query: { fieldManager, force: true }, contentType: APPLY, body });
  }

  policy(namespace: string, spec: object): Promise<unknown> {
    return this.apply(this.policyPath(namespace), {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default', namespace },
      spec: { exporters, ...spec },
    });
  }

  policyPath(namespace: string): string {
    return `${POLICIES}/namespaces/${namespace}/tracingpolicies/default`;
  }

  async status(path: string): Promise<PolicyStatus | undefined> {
    return (await this.client.request<{ status?: PolicyStatus }>('GET', path)).status;
  }

  /** What the status of a policy says of a system. */
  async line(system: string, path: string): Promise<{ state: string; message: string } | undefined> {
    return (await this.status(path))?.integrations?.find(({ name }) => name === system);
  }

  /** Resolves when the line of a policy for a system has this state, and its message this text; to the message. */
  async stands(system: string, path: string, state: string, text = ''): Promise<string> {
    let last: Awaited<ReturnType<typeof this.line>>;
    await until(`${system} is not ${state} in ${path}`, 60_000, async () => {
      last = await this.line(system, path);
      return last?.state === state && last.message.includes(text);
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(last)}`);
    });
    return last!.message;
  }

  /** Writes of the operator to paths that hold one of these, from one of its requests on: `PATCH /namespaces/…`. */
  written(from: number, ...parts: string[]): string[] {
    return this.operator.relay
      .writes(from)
      .filter(({ path }) => parts.some((part) => path.includes(part)))
      .map(({ method, path }) => `${method} ${path.slice(path.indexOf('/namespaces/'))}`);
  }

  /** Has the API server serve a definition, until the test is over. */
  async define(crd: Crd): Promise<void> {
    const { name } = crd.metadata;
    this.#defined.set(name, crd);
    await this.apply(`${CRDS}/${name}`, crd);
    const { group, names, versions } = crd.spec;
    const version = versions.find(({ served }) => served)!.name;
    await until(`${name} is not served`, 30_000, () =>
      this.client.request('GET', `/apis/${group}/${version}/${names.plural}`).then(
        () => true,
        () => false,
      ),
    );
  }

  /** Waits until it is gone: what is applied while it goes would go with it. */
  async undefine({ metadata: { name } }: Crd): Promise<void> {
    this.#defined.delete(name);
    await until(`the definition ${name} does not go`, 60_000, async () => {
      try {
        await this.client.request('DELETE', `${CRDS}/${name}`);
        return false;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return true;
        throw error;
      }
    });
  }
}
