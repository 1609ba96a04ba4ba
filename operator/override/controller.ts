import type { Logger } from 'pino';
import { OVERRIDE } from '../../injector/names.ts';
import { hasEnded, readOverrides } from '../../injector/override.ts';
import { describePolicy } from '../../injector/resolve.ts';
import { ApiError, JSON_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ClusterView } from '../policy/cluster-view.ts';
import { policyPath } from '../policy/policy-path.ts';

const FIELD_MANAGER = 'tracing-operator-override';
const POINTER = `/metadata/annotations/${OVERRIDE.replaceAll('/', '~1')}`;
/** A timer that waits for longer would not notice that a clock was set, or that the machine slept. */
const LONGEST_WAIT = 60_000;

export interface OverrideOptions {
  logger: Logger;
  /** Milliseconds since 1970. */
  now: () => number;
}

/**
 * Takes what has ended out of a policy's annotation `tracing.acme/override`. That it counts no more is a matter of the time
 * alone (injector/override.ts), whoever leads and whether this has been done yet; but without a change of the policy nobody
 * would tell its pods. An annotation that cannot be read is left as it is: its owner is told by the policy's status.
 */
export class OverrideController {
  readonly #client: KubeClient;
  readonly #view: Pick<ClusterView, 'findPolicy'>;
  readonly #options: OverrideOptions;

  constructor(client: KubeClient, view: Pick<ClusterView, 'findPolicy'>, options: OverrideOptions) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
  }

  /**
   * @param id what describePolicy() says.
   * @returns after how many milliseconds to look again; undefined where nothing is to end.
   */
  async reconcile(id: string, signal: AbortSignal): Promise<number | undefined> {
    const policy = this.#view.findPolicy(id);
    const { entries } = policy ? readOverrides(policy) : { entries: [] };
    if (!policy || entries.length === 0) return undefined;
    const now = this.#options.now();
    const left = entries.filter((each) => !hasEnded(each, now));
    if (left.length === entries.length) {
      const first = Math.min(...left.map(({ until }) => Date.parse(until)));
      return Math.min(first - now, LONGEST_WAIT);
    }
    // What somebody has written meanwhile is not what was looked at: the test then fails, and its watch event brings us back.
    const test = { op: 'test', path: POINTER, value: policy.metadata.annotations?.[OVERRIDE] };
    const change =
      left.length === 0
        ? { op: 'remove', path: POINTER }
        : { op: 'replace', path: POINTER, value: JSON.stringify(left) };
    try {
      await this.#client.request('PATCH', policyPath(policy), {
        query: { fieldManager: FIELD_MANAGER },
        contentType: JSON_PATCH,
        body: [test, change],
        signal,
      });
    } catch (error) {
      // Gone, or changed.
      if (!(error instanceof ApiError) || ![404, 422].includes(error.status)) throw error;
      return undefined;
    }
    this.#options.logger.info({ policy: describePolicy(policy), left: left.length }, 'an override has ended');
    return undefined;
  }
}
