import type { Logger } from 'pino';
import { canaryAgent, isCanaryHalted } from '../../injector/canary.ts';
import type { InjectOptions } from '../../injector/inject.ts';
import { agentImage, agentName } from '../../injector/inject.ts';
import { AGENT_OUTAGES } from '../../injector/names.ts';
import type { Resolution } from '../../injector/resolve.ts';
import { selectsNamespace } from '../../injector/resolve.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ClusterView, NamespaceMeta } from '../policy/cluster-view.ts';
import { writeRecord } from '../policy/namespace-record.ts';
import { isOpen, step, writeOutages } from './outage.ts';
import type { Outage } from './outage.ts';
import type { Replacements } from './replacements.ts';

const FIELD_MANAGER = 'tracing-operator-breaker';

export interface BreakerOptions {
  logger: Logger;
  /** Milliseconds since 1970. */
  now: () => number;
  /** The chart's agent. */
  agent: Pick<InjectOptions, 'agentImage' | 'agentImagePullPolicy'>;
  replacements: Replacements;
}

/**
 * Keeps an agent that cannot be had from keeping apps from starting: sees pods that hang in our init container, has
 * admission leave out that agent in their namespace for a while, and has them made anew. What it knows is written down in
 * the namespace (policy/namespace-record.ts).
 */
export class BreakerController {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #options: BreakerOptions;

  constructor(client: KubeClient, view: ClusterView, options: BreakerOptions) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
  }

  /** @returns after how many milliseconds the namespace is to be looked at again, where nothing need change before. */
  async reconcile(name: string, signal: AbortSignal): Promise<number | undefined> {
    const { now, replacements } = this.#options;
    const namespace = this.#view.namespace(name);
    // What is in a namespace that is going goes with it.
    if (!namespace || namespace.metadata.deletionTimestamp) return void replacements.want(name, []);
    const pods = this.#view.injectedPods(name);
    const before = this.#view.outages(name);
    if (pods.length === 0 && before.length === 0) return void replacements.want(name, []);
    const wanted = this.#wantedAgents(namespace);
    const { outages, stuck, again } = step(before, { now: now(), pods, isWanted: (agent) => wanted.has(agent) });
    if (writeOutages(outages) !== writeOutages(before)) {
      const text = outages.length > 0 ? writeOutages(outages) : undefined;
      const record = { namespace: name, annotation: AGENT_OUTAGES, text, fieldManager: FIELD_MANAGER };
      await writeRecord(this.#client, this.#view, record, signal);
      this.#tell(name, before, outages);
    }
    replacements.want(name, stuck);
    return again === undefined ? undefined : Math.max(again - now(), 500);
  }

  /** Agents that pods made now may be given. */
  #wantedAgents({ metadata }: NamespaceMeta): Set<string> {
    const nameOf = (agent: Resolution['agent']) => agentName(agentImage({ agent }, this.#options.agent));
    const names = new Set([nameOf(undefined)]);
    for (const policy of this.#view.policies(metadata.name).cluster) {
      const { agent } = policy.spec;
      if (!agent || !selectsNamespace(policy, metadata.labels)) continue;
      names.add(nameOf(agent));
      const canary = canaryAgent(agent);
      if (canary && !isCanaryHalted(policy)) names.add(nameOf(canary));
    }
    return names;
  }

  #tell(namespace: string, before: Outage[], after: Outage[]): void {
    const { logger } = this.#options;
    for (const outage of after) {
      const { agent, reason, message, failures, closed } = outage;
      const known = before.find((each) => each.agent === agent);
      if (closed !== undefined && known && isOpen(known))
        logger.info({ namespace, agent }, 'the agent can be had again');
      else if (isOpen(outage) && known?.failures !== failures)
        logger.warn(
          { namespace, agent, reason, message, failures },
          'the agent keeps pods from starting: they get none',
        );
    }
    for (const { agent } of before.filter(isOpen))
      if (!after.some((each) => each.agent === agent))
        logger.info({ namespace, agent }, 'pods are not to have this agent any more');
  }
}
