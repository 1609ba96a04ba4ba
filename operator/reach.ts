import type { Policy } from '../injector/resolve.ts';
import type { Config } from './config.ts';

/** Which namespaces the operator looks at. */
export interface Reach {
  /** The only ones; empty: all but the excluded. */
  only: readonly string[];
  excluded: readonly string[];
}

/** The chart's release, which is the name of its Service. */
export interface Release {
  name: string;
  namespace: string;
}

export function reachOf({ webhook }: Pick<Config, 'webhook'>): Reach {
  return { only: webhook.namespaces, excluded: webhook.excludedNamespaces };
}

export function releaseOf({ webhook, namespace }: Pick<Config, 'webhook' | 'namespace'>): Release {
  return { name: webhook.service, namespace };
}

/** A requirement of a label selector. */
export interface Requirement {
  key: string;
  operator: string;
  values?: readonly string[];
}

/** Where the cluster itself runs: never looked at. */
export const SYSTEM_NAMESPACE = 'kube-system';

/** As the chart has it where nobody says otherwise. */
export const EVERYWHERE: Reach = { only: [], excluded: [SYSTEM_NAMESPACE] };

/** Of every Namespace, since Kubernetes 1.22. */
export const NAME_LABEL = 'kubernetes.io/metadata.name';

/** Whether pods and workloads of this namespace are looked at. */
export function reaches({ only, excluded }: Reach, namespace: string): boolean {
  return (only.length === 0 || only.includes(namespace)) && !excluded.includes(namespace);
}

/**
 * Whether it is somebody of the namespace who asks for tracing, and should hear that it is not looked at: not a policy of the
 * cluster, which is meant for as many namespaces as there may be. @param by as isAsked() says it.
 */
export function isOwnWish(by: 'pod' | 'namespace' | 'policy' | 'nobody', policy: Policy | undefined): boolean {
  return by !== 'policy' || policy?.kind === 'TracingPolicy';
}

/** What reaches() says, as a webhook's namespaceSelector says it. */
export function reachRequirements({ only, excluded }: Reach): Requirement[] {
  return [
    ...(only.length > 0 ? [{ key: NAME_LABEL, operator: 'In', values: only }] : []),
    { key: NAME_LABEL, operator: 'NotIn', values: excluded },
  ];
}

/**
 * Why pods of a namespace are never looked at, for people, and the command that changes it; undefined where they are. Without reach
 * and release: where it is not known how the operator is installed.
 */
export function whyNotReached(
  namespace: string,
  reach: Reach = EVERYWHERE,
  release: Release = { name: '', namespace: '' },
): { why: string; next: string } | undefined {
  if (reaches(reach, namespace)) return undefined;
  const said = (why: string, next: string) => ({
    why: `pods of namespace ${namespace} are never looked at: ${why}`,
    next,
  });
  const elsewhere = 'kubectl get namespaces # and run it in another';
  if (namespace === SYSTEM_NAMESPACE) return said('the cluster itself runs there', elsewhere);
  if (namespace === release.namespace) return said('the operator itself runs there', elsewhere);
  const upgrade = (value: string, names: readonly string[]) =>
    `helm upgrade ${release.name} charts/tracing-operator -n ${release.namespace} --reuse-values --set-json '${value}=${JSON.stringify(names)}' # or ask your platform team for it`;
  const { only, excluded } = reach;
  if (excluded.includes(namespace)) {
    const others = excluded.filter((each) => ![namespace, SYSTEM_NAMESPACE, release.namespace].includes(each));
    return said("the chart's webhook.excludedNamespaces names it", upgrade('webhook.excludedNamespaces', others));
  }
  return said(
    "the chart's webhook.namespaces does not contain it",
    upgrade('webhook.namespaces', [...only, namespace]),
  );
}
