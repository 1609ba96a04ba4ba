import { pino } from 'pino';
import { GROUP, VERSION } from '../../../crds/tracing-policy.ts';
import { INJECTED_LABEL, POLICY_CONFIG_MAP, POLICY_KEY } from '../../../injector/names.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { Reflector } from '../../../operator/kube/reflector.ts';
import type { KubeObject, ReflectorOptions } from '../../../operator/kube/reflector.ts';

const POLICY = 'switched-off';
const KEY = `cluster-policy.${POLICY}.json`;
const POLICIES = `/apis/${GROUP}/${VERSION}/clustertracingpolicies`;
const TIMEOUT_MS = 600_000;

/** Of an object only whether it is switched off is kept. */
interface Switched extends KubeObject {
  metadata: KubeObject['metadata'] & { annotations?: Record<string, string> };
  data?: Record<string, string>;
  off?: boolean;
}

/** Seconds until every namespace's ConfigMap, and every traced pod, had what a change of a policy asks for. */
export interface Change {
  configMaps: number;
  pods: number;
}

/**
 * Switches tracing off everywhere, by a cluster policy that overrides, and on again by deleting it: no change concerns
 * more. Watches of our own tell when it has arrived.
 */
export class Switch {
  readonly #client: KubeClient;
  readonly #configMaps: Tally;
  readonly #pods: Tally;

  constructor(client: KubeClient) {
    this.#client = client;
    this.#configMaps = new Tally(
      client,
      { path: '/api/v1/configmaps', fieldSelector: `metadata.name=${POLICY_CONFIG_MAP}` },
      ({ data }) => data !== undefined && KEY in data,
    );
    this.#pods = new Tally(
      client,
      { path: '/api/v1/pods', labelSelector: `${INJECTED_LABEL}=true`, metadataOnly: true },
      ({ metadata }) => metadata.annotations?.[POLICY_KEY] === KEY,
    );
  }

  async start(): Promise<void> {
    await Promise.all([this.#configMaps.start(), this.#pods.start()]);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#configMaps.stop(), this.#pods.stop()]);
  }

  /** How many objects a change reaches. */
  get objects(): number {
    return this.#configMaps.total + this.#pods.total;
  }

  off(): Promise<Change> {
    const spec = { override: true, enabled: false };
    const body = { apiVersion: `${GROUP}/${VERSION}`, kind: 'ClusterTracingPolicy', metadata: { name: POLICY }, spec };
    return this.#change(true, () => this.#client.request('POST', POLICIES, { body }));
  }

  on(): Promise<Change> {
    return this.#change(false, () => this.#client.request('DELETE', `${POLICIES}/${POLICY}`));
  }

  async #change(off: boolean, act: () => Promise<unknown>): Promise<Change> {
    const began = performance.now();
    const arrived = Promise.all([this.#configMaps.all(off), this.#pods.all(off)]);
    await act();
    const [configMaps, pods] = (await arrived).map((at) => (at - began) / 1000);
    return { configMaps: configMaps!, pods: pods! };
  }
}

/** Counts how many objects of a collection are switched off. */
class Tally {
  readonly #what: string;
  readonly #reflector: Reflector<Switched>;
  #off = 0;
  #onChange: () => void = () => {};
  total = 0;

  constructor(
    client: KubeClient,
    options: Pick<ReflectorOptions<Switched>, 'path' | 'labelSelector' | 'fieldSelector' | 'metadataOnly'>,
    isOff: (object: Switched) => boolean,
  ) {
    this.#what = options.path;
    this.#reflector = new Reflector<Switched>({
      ...options,
      client,
      logger: pino({ level: 'warn' }, pino.destination(2)),
      prune: (object) => {
        const { name, namespace, resourceVersion } = object.metadata;
        return { metadata: { name, namespace: namespace!, resourceVersion }, off: isOff(object) };
      },
      onChange: (object, previous, deleted) => {
        this.#count(previous, -1);
        if (!deleted) this.#count(object, 1);
        this.#onChange();
      },
    });
  }

  async start(): Promise<void> {
    this.#reflector.start();
    await this.#reflector.synced;
  }

  stop(): Promise<void> {
    return this.#reflector.stop();
  }

  /** Resolves, to `performance.now()`, when all objects are switched off, or none is. */
  async all(off: boolean): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const timer = setTimeout(
      () => reject(new Error(`${this.#what}: ${this.#off} of ${this.total} are switched off`)),
      TIMEOUT_MS,
    );
    this.#onChange = () => {
      if (this.#off === (off ? this.total : 0)) resolve(performance.now());
    };
    try {
      return await promise;
    } finally {
      this.#onChange = () => {};
      clearTimeout(timer);
    }
  }

  #count(object: Switched | undefined, by: number): void {
    if (!object) return;
    this.total += by;
    if (object.off) this.#off += by;
  }
}
