import { load } from 'js-yaml';
import type { DefaultPolicy } from '../injector/resolve.ts';
import type { Installation } from '../operator/coverage/facts.ts';
import type { Reach } from '../operator/reach.ts';
import { NAME_LABEL, reaches } from '../operator/reach.ts';
import type { List, Read } from './reading.ts';

const OPERATOR = 'app.kubernetes.io/name=tracing-operator';

interface Webhook {
  name: string;
  clientConfig: { service?: { name: string; namespace: string }; caBundle?: string };
  namespaceSelector?: { matchExpressions?: { key: string; operator: string; values?: string[] }[] };
}

/** Names of namespaces in a webhook's selector, a list for each of its requirements. */
function selected(webhook: Webhook | undefined, wanted: 'In' | 'NotIn'): string[][] {
  const expressions = webhook?.namespaceSelector?.matchExpressions ?? [];
  return expressions
    .filter(({ key, operator }) => key === NAME_LABEL && operator === wanted)
    .map(({ values = [] }) => values);
}

/** Which namespaces a webhook is asked about, where that is said by their names: all of its requirements count. */
function reachOf(webhook: Webhook | undefined): Reach {
  const [first, ...others] = selected(webhook, 'In');
  return {
    only: (first ?? []).filter((name) => others.every((each) => each.includes(name))),
    excluded: selected(webhook, 'NotIn').flat(),
  };
}

/** Where the operator is installed and how. `absent`: it can be seen that it is not. Undefined: that cannot be seen. */
export async function findInstallation(read: Read): Promise<Installation | 'absent' | undefined> {
  const open = "the operator's installation: whether it runs, and the chart's default policy";
  const configurations = await read<List<{ webhooks?: Webhook[] }>>(
    '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
    open,
    { labelSelector: OPERATOR },
  );
  if (!configurations) return undefined;
  const webhooks = (configurations.items ?? []).flatMap(({ webhooks = [] }) => webhooks);
  const webhook = webhooks.find((each) => each.name === 'pods.tracing.acme');
  const service = webhook?.clientConfig.service;
  if (!service) return 'absent';
  const { name, namespace } = service;
  const [deployment, configMap] = await Promise.all([
    read<{
      metadata: { labels?: Record<string, string> };
      spec?: { replicas?: number };
      status?: { readyReplicas?: number };
    }>(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`, open),
    read<{ data?: Record<string, string> }>(`/api/v1/namespaces/${namespace}/configmaps/${name}`, open),
  ]);
  const config = load(configMap?.data?.['config.yaml'] ?? '{}') as {
    defaultPolicy?: DefaultPolicy;
    agent?: { image?: string };
    changeWorkloads?: boolean;
  };
  const version = deployment?.metadata.labels?.['app.kubernetes.io/version'];
  const { caBundle } = webhook.clientConfig;
  const takenOver = reachOf(webhooks.find((each) => each.name === 'take-over.tracing.acme'));
  return {
    name,
    namespace,
    reach: reachOf(webhook),
    takenOver: takenOver.only.filter((name) => reaches(takenOver, name)),
    ...(caBundle && { authority: Buffer.from(caBundle, 'base64').toString() }),
    ...(deployment && {
      readyReplicas: deployment.status?.readyReplicas ?? 0,
      replicas: deployment.spec?.replicas ?? 1,
      ...(version !== undefined && { version }),
    }),
    ...(configMap && { defaults: config.defaultPolicy ?? {}, changeWorkloads: config.changeWorkloads ?? true }),
    ...(config.agent?.image !== undefined && { agentImage: config.agent.image }),
  };
}
