import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { localDocument } from '../../cli/run/local-policy.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { Operator } from '../agent/operator.ts';
import { agentDirectory, ROOT } from '../agent/process.ts';
import { Sink } from '../agent/sink.ts';
import { POLICY_FILE } from '../demo/deploy.ts';
import { startBackends, type Backends } from '../servers/backends.ts';
import { startShop, type Shop } from '../servers/shop.ts';
import { startTracedShop, type TracedShop } from '../servers/traced-shop.ts';

/** A shop on servers of its own. */
export interface ShopOnServers {
  backends: Backends;
  shop: Shop;
  stop(): Promise<void>;
}

/** One under the agent, and all that its agents talk with. */
export interface WatchedShop extends ShopOnServers {
  shop: TracedShop;
  /** Receives the spans. */
  sink: Sink;
  /** Takes the agents' reports. */
  operator: Operator;
  /** The shop's own policy, sending to the sink, changed as a test wants it. */
  policy(revision: string, change: Change): PolicyDocument;
}

export type Change = (spec: PolicyDocument['spec']) => PolicyDocument['spec'];

/** What the bank does by chance is no part of a test. */
const BANK = { BANK_FAILURE_RATE: '0' };

/**
 * Starts one.
 * @param change of its first policy, whose revision is `first`.
 * @param env for the services.
 */
export async function openWatchedShop(change: Change, env: Record<string, string> = {}): Promise<WatchedShop> {
  const text = readFileSync(join(ROOT, POLICY_FILE), 'utf8');
  return opened(async (started) => {
    const backends = started(await startBackends());
    const sink = started(await Sink.start());
    const operator = started(await Operator.start());
    const policy: WatchedShop['policy'] = (revision, changed) => {
      const document = localDocument(text, POLICY_FILE, { protocol: 'http/protobuf', endpoint: sink.url });
      return { ...document, revision, spec: changed(document.spec) };
    };
    const document = policy('first', change);
    const all = { ...backends.env, ...BANK, ...env };
    const { files } = operator;
    const shop = started(await startTracedShop({ agent: agentDirectory(), document, env: all, files }));
    return { backends, sink, operator, policy, shop };
  });
}

/** Starts one that nobody traces. */
export function openBareShop(): Promise<ShopOnServers> {
  return opened(async (started) => {
    const backends = started(await startBackends());
    const shop = started(await startShop(() => ({ ...backends.env, ...BANK })));
    return { backends, shop };
  });
}

/** Whatever was started is stopped in the opposite order: when it is stopped, or when something did not start. */
async function opened<T>(
  open: (started: <P extends { stop(): Promise<void> }>(part: P) => P) => Promise<T>,
): Promise<T & { stop(): Promise<void> }> {
  const parts: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => {
    for (const part of parts.splice(0).reverse()) await part.stop();
  };
  try {
    const shop = await open((part) => {
      parts.push(part);
      return part;
    });
    return { ...shop, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
