import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../../../operator/kube/client.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { OPERATOR } from '../../demo/deploy.ts';
import { makeNamespace, untilUsable } from '../../integration/api-server.ts';
import { median } from '../results.ts';
import { INSTRUMENTATION } from './peer.ts';
import type { Webhook } from './servers.ts';

const CHART = join(resolve(import.meta.dirname, '../../..'), 'charts/tracing-operator');
const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const NAME = 'opentelemetry-operator-mutation';
const THEIRS = 'instrumentation.opentelemetry.io/inject-nodejs';
/** What a controller that rolls out a Deployment leaves between two pods. */
const PAUSE_MS = 10;

const ASKS = {
  bare: {},
  ours: { 'tracing.acme/inject': 'true' },
  theirs: { [THEIRS]: 'true' },
};
type Kind = keyof typeof ASKS;
const SPEC = {
  schedulerName: 'nobody',
  terminationGracePeriodSeconds: 0,
  containers: [{ name: 'app', image: 'app:1', env: [{ name: 'PORT', value: '8080' }] }],
};

interface Pod {
  metadata: { annotations?: Record<string, string>; labels?: Record<string, string> };
  spec: { initContainers?: { name: string }[] };
}

/** Pods made at the API server, with both operators there: what each adds to the time, and whose they are. */
export class Creations {
  readonly #client: KubeClient;
  readonly #cluster: Cluster;
  readonly #theirs: Webhook;
  #count = 0;

  constructor(client: KubeClient, cluster: Cluster, theirs: Webhook) {
    this.#client = client;
    this.#cluster = cluster;
    this.#theirs = theirs;
  }

  /**
   * Median milliseconds of a creation of each kind, taking turns; `whole` are pods that are sent as ours come out, of which
   * nobody is asked: what a pod costs that has all of that in it.
   */
  async measure(pods: number): Promise<Record<Kind | 'whole', number>> {
    // On a busy machine the pods' share of the processors is not to be less than that of theirs, which is no pod.
    await this.#upgrade('resources.requests.cpu="500m"');
    return this.#within(async (namespace) => {
      const taken = { bare: [] as number[], ours: [] as number[], theirs: [] as number[], whole: [] as number[] };
      const asked = withoutAsking(await this.#make(namespace, { annotations: ASKS.ours }));
      for (let i = -20; i < pods; i++)
        for (const kind of Object.keys(taken) as (keyof typeof taken)[]) {
          const began = performance.now();
          const made =
            kind === 'whole'
              ? await this.#make(namespace, asked.metadata, asked.spec)
              : await this.#make(namespace, { annotations: ASKS[kind] });
          const owner = whose(made);
          if (owner !== (kind === 'whole' ? 'ours' : kind)) throw new Error(`a pod that should be ${kind} is ${owner}`);
          // The first ones open connections.
          if (i >= 0) taken[kind].push(performance.now() - began);
          await sleep(PAUSE_MS);
        }
      return {
        bare: median(taken.bare),
        ours: median(taken.ours),
        theirs: median(taken.theirs),
        whole: median(taken.whole),
      };
    });
  }

  /** @throws where a namespace is not taken over from the real opentelemetry-operator, or not given back. */
  async takeOver(): Promise<void> {
    await this.#within(async (namespace) => {
      for (const [namespaces, owner] of [
        [[namespace], 'ours'],
        [[], 'theirs'],
      ] as const) {
        await this.#upgrade(`takeOver.namespaces=${JSON.stringify(namespaces)}`);
        await until(`pods do not come to be ${owner}`, 30_000, async () => {
          return whose(await this.#make(namespace, { annotations: ASKS.theirs })) === owner;
        });
      }
    });
  }

  async #upgrade(value: string): Promise<void> {
    await this.#cluster.run('helm', [
      ...['upgrade', OPERATOR.release, CHART, '--namespace', OPERATOR.namespace, '--reuse-values', '--wait'],
      ...['--set-json', value],
    ]);
  }

  async #make(namespace: string, metadata: Pod['metadata'], spec: object = SPEC): Promise<Pod> {
    const body = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: `pod-${++this.#count}` }, spec };
    return this.#client.request<Pod>('POST', `/api/v1/namespaces/${namespace}/pods`, { body });
  }

  /** Runs `work` in a namespace of its own, while the API server calls opentelemetry-operator's webhook. */
  async #within<T>(work: (namespace: string) => Promise<T>): Promise<T> {
    const { name, delete: remove } = await makeNamespace(this.#client);
    await untilUsable(this.#client, name, 30_000);
    await this.#client.request('POST', `/apis/opentelemetry.io/v1alpha1/namespaces/${name}/instrumentations`, {
      body: {
        apiVersion: 'opentelemetry.io/v1alpha1',
        kind: 'Instrumentation',
        metadata: { name: 'default' },
        spec: INSTRUMENTATION,
      },
    });
    await this.#client.request('POST', CONFIGURATIONS, {
      body: {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        metadata: { name: NAME },
        webhooks: [
          {
            name: 'mpod.kb.io',
            admissionReviewVersions: ['v1'],
            sideEffects: 'None',
            failurePolicy: 'Ignore',
            reinvocationPolicy: 'Never',
            clientConfig: {
              url: `https://localhost:${this.#theirs.port}${this.#theirs.path}`,
              caBundle: Buffer.from(this.#theirs.authority).toString('base64'),
            },
            rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
            // So that a pod that asks for nothing is one without any webhook: they would be sent it as well.
            matchConditions: [
              {
                name: 'asks',
                expression: `has(object.metadata.annotations) && '${THEIRS}' in object.metadata.annotations`,
              },
            ],
          },
        ],
      },
    });
    try {
      // The API server learns of it a moment later.
      await until('opentelemetry-operator does not inject', 30_000, async () => {
        return whose(await this.#make(name, { annotations: ASKS.theirs })) === 'theirs';
      });
      return await work(name);
    } finally {
      await this.#client.request('DELETE', `${CONFIGURATIONS}/${NAME}`);
      await remove();
    }
  }
}

function whose({ spec: { initContainers = [] } }: Pod): Kind {
  const names = initContainers.map(({ name }) => name);
  if (names.length === 0) return 'bare';
  if (names.length > 1) throw new Error(`a pod has init containers of both: ${names.join(', ')}`);
  return names[0] === 'tracing-acme-agent' ? 'ours' : 'theirs';
}

/** A pod as it is, but for what makes the API server ask about it. */
function withoutAsking({ metadata: { annotations = {}, labels }, spec }: Pod): Pod {
  const kept = Object.fromEntries(Object.entries(annotations).filter(([name]) => !(name in ASKS.ours)));
  return { metadata: { annotations: kept, ...(labels && { labels }) }, spec };
}
