import type { IntegrationMode, SystemName } from '../../crds/integration.ts';
import { INTEGRATION_MESSAGE, INTEGRATION_STATES, SYSTEMS } from '../../crds/integration.ts';
import type { PolicyStatus } from '../../crds/tracing-policy.ts';
import type { Policy } from '../../injector/resolve.ts';
import type { NamespaceIntegration } from '../status/summary.ts';

export type Integration = NonNullable<PolicyStatus['integrations']>[number];

const MODES: Record<SystemName, (spec: Policy['spec']) => IntegrationMode | undefined> = {
  Istio: ({ mesh }) => mesh?.istio?.mode,
  Linkerd: ({ mesh }) => mesh?.linkerd?.mode,
  Kong: ({ gateway }) => gateway?.kong?.mode,
  IngressNginx: ({ gateway }) => gateway?.nginx?.mode,
};

/** What a policy asks of a system. */
export function modeOf(name: SystemName, { spec }: Policy): IntegrationMode {
  return MODES[name](spec) ?? 'Auto';
}

/** States in which what a policy insists on is not so. */
const FAILED = new Set<Integration['state']>(['Conflict', 'Incomplete', 'NotAllowed', 'NotInstalled']);

/** One line for each system: of several namespaces the worst state, with what is said in each state. */
export function integrationsOf(all: readonly NamespaceIntegration[]): Integration[] {
  return SYSTEMS.flatMap((name): Integration[] => {
    const own = all.filter((each) => each.name === name);
    const states = INTEGRATION_STATES.filter((state) => own.some((each) => each.state === state));
    if (states[0] === undefined) return [];
    const messages = new Set(own.map(({ message }) => message));
    const message = messages.size === 1 ? own[0]!.message : states.map((state) => inState(state, own)).join('; ');
    return [{ name, state: states[0], message: message.slice(0, INTEGRATION_MESSAGE) }];
  });
}

function inState(state: Integration['state'], all: readonly NamespaceIntegration[]): string {
  const those = all.filter((each) => each.state === state);
  const [first] = those.sort((a, b) => (a.namespace < b.namespace ? -1 : 1));
  const where = those.length === 1 ? first!.namespace : `${those.length} namespaces, such as ${first!.namespace}`;
  return `${state} in ${where}: ${first!.message}`;
}

/** What a policy with the mode Enabled insists on, and that is not so. */
export function failedIntegrations(policy: Policy, integrations: readonly Integration[]): string[] {
  return integrations
    .filter(({ name, state }) => FAILED.has(state) && modeOf(name, policy) === 'Enabled')
    .map(({ name, state, message }) => `${name} is ${state}: ${message}`);
}
