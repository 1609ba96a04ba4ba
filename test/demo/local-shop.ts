import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Destination } from '../../cli/run/local-policy.ts';
import { Receiver } from '../../cli/trace/receiver.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { startBackends } from '../servers/backends.ts';
import { startTracedShop, type TracedShop } from '../servers/traced-shop.ts';
import { say } from './stages.ts';

const AGENT = resolve(import.meta.dirname, '../../dist/agent');

/** The shop with all that it needs, as processes of this machine, and who receives its spans. */
export interface LocalShop {
  receiver: Receiver;
  shop: TracedShop;
  stop(): Promise<void>;
}

/**
 * Starts all of it, and says so.
 * @param policy what the shop follows, given where its spans are to go.
 * @param env for the services.
 */
export async function openLocalShop(
  policy: (destination: Destination) => PolicyDocument,
  signal: AbortSignal,
  env: Record<string, string> = {},
): Promise<LocalShop> {
  if (!existsSync(join(AGENT, 'register.cjs'))) throw new Error('there is no agent in dist/agent: make build');
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const receiver = await Receiver.start();
    stops.push(() => receiver.stop());
    const document = policy({ protocol: 'http/json', endpoint: receiver.url });
    say('Postgres, Redis, Memcached, FerretDB (for MongoDB) and Kafka (usually 15 s; some minutes the first time)');
    const backends = await startBackends();
    stops.push(() => backends.stop());
    signal.throwIfAborted();
    say('order, payment and inventory under the agent, and a bank (usually 5 s)');
    const shop = await startTracedShop({ agent: AGENT, document, env: { ...backends.env, ...env } });
    stops.push(() => shop.stop());
    signal.throwIfAborted();
    return { receiver, shop, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
