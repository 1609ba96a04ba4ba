/** Which namespaces the operator looks at. */
export interface Reach {
  /** The only ones; empty: all but the excluded. */
  only: readonly string[];
  excluded: readonly string[];
}

/** A requirement of a label selector. */
export interface Requirement {
  key: string;
  operator: string;
  values?: readonly string[];
}

/** Of every Namespace, since Kubernetes 1.22. */
export const NAME_LABEL = 'kubernetes.io/metadata.name';

/** Whether pods and workloads of this namespace are looked at. */
export function reaches({ only, excluded }: Reach, namespace: string): boolean {
  return (only.length === 0 || only.includes(namespace)) && !excluded.includes(namespace);
}

/** The same, as a webhook's namespaceSelector says it. */
export function reachRequirements({ only, excluded }: Reach): Requirement[] {
  return [
    ...(only.length > 0 ? [{ key: NAME_LABEL, operator: 'In', values: only }] : []),
    { key: NAME_LABEL, operator: 'NotIn', values: excluded },
  ];
}
