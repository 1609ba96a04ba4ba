import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { writeMounted } from '../agent/mounted.ts';
import { startShop, type ServiceName, type Shop } from './shop.ts';

/** What the operator traces; the bank is somebody else's. */
export const TRACED: readonly ServiceName[] = ['order', 'payment', 'inventory'];

/** The shop under the agent: in each service's environment what the webhook puts into a pod, and a policy that changes live. */
export interface TracedShop extends Shop {
  /** Puts another policy in force, as the operator does. */
  follow(document: PolicyDocument): void;
}

/**
 * @param agent the folder of the agent.
 * @param env for all services.
 * @param files more of the policy's directory: how the operator is reached.
 */
export async function startTracedShop({
  agent,
  document,
  env,
  files = {},
}: {
  agent: string;
  document: PolicyDocument;
  env: Record<string, string>;
  files?: Record<string, string>;
}): Promise<TracedShop> {
  const directory = mkdtempSync(join(tmpdir(), 'tracing-shop-'));
  const follow = ({ key, ...rest }: PolicyDocument): void =>
    writeMounted(directory, { ...files, 'pod/key': key, [key]: JSON.stringify({ key, ...rest }) });
  follow(document);
  const injected = (name: ServiceName): Record<string, string> => ({
    NODE_OPTIONS: `${env['NODE_OPTIONS'] ?? ''} --require ${join(agent, 'register.cjs')}`.trim(),
    TRACING_ACME_POLICY_DIR: directory,
    TRACING_ACME_RESOURCE: `service.name=${name},service.namespace=shop,k8s.container.name=${name}`,
  });
  try {
    const shop = await startShop((name) => ({ ...env, ...(TRACED.includes(name) ? injected(name) : {}) }));
    const stop = async (): Promise<void> => {
      await shop.stop();
      rmSync(directory, { recursive: true, force: true });
    };
    return { ...shop, follow, stop };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}
