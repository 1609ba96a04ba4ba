import { load } from 'js-yaml';
import type { DefaultPolicy } from '../injector/resolve.ts';
import type { List, Read } from './reading.ts';

/** What the installed operator says of itself. */
export interface Installation {
  namespace: string;
  name: string;
  /** Namespaces whose pods it does not look at. */
  excluded: string[];
  /** Namespaces in which pods that ask opentelemetry-operator are traced. */
  takenOver: string[];
  /** PEM of the authorities by which the API server knows the webhook; undefined while there is none. */
  authority?: string;
  /** Undefined where its Deployment cannot be read. */
  readyReplicas?: number;
  replicas?: number;
  version?: string;
  defaults?: DefaultPolicy;
  agentImage?: string;
  /** Whether it may patch workloads. */
  changeWorkloads?: boolean;
}

const OPERATOR = 'app.kubernetes.io/name=tracing-operator';

interface Webhook {
  name: string;
  clientConfig: { service?: { name: string; namespace: string }; caBundle?: string };
  namespaceSelector?: { matchExpressions?: { key: string; operator: string; values?: string[] }[] };
}

function selected(webhook: Webhook | undefined, wanted: 'In' | 'NotIn'): string[] {
  const expressions = webhook?.namespaceSelector?.matchExpressions ?? [];
  return expressions.flatMap(({ operator, values = [] }) => (operator === wanted ? values : []));
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
  const webhooks = configurations.items.flatMap(({ webhooks = [] }) => webhooks);
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
  return {
    name,
    namespace,
    excluded: selected(webhook, 'NotIn'),
    takenOver: selected(
      webhooks.find((each) => each.name === 'take-over.tracing.acme'),
      'In',
    ),
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
