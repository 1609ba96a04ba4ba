import type { ClusterTracingPolicySpec } from '../../crds/tracing-policy.ts';
import type { Advice } from './advice.ts';

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Whether an object may have this name: a subdomain, as RFC 1123 has it. */
export const isName = (name: string): boolean => SUBDOMAIN.test(name);

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
export function isLabelKey(key: string): boolean {
  const [name, prefix, ...more] = key.split('/').reverse();
  return more.length === 0 && NAME.test(name!) && (prefix === undefined || (prefix.length <= 253 && isName(prefix)));
}

export const isLabelValue = (value: unknown): boolean =>
  value === '' || (typeof value === 'string' && NAME.test(value));

/** Of a label, where there can be none such. */
export const LABELS =
  'key and value of a label are at most 63 letters, digits, hyphens, underscores and dots, with letters or digits at both ends; a key may have a domain and a slash in front';

type Selectors = Pick<ClusterTracingPolicySpec, 'selector' | 'namespaceSelector'>;

/** Labels that nothing can carry: the API server takes them in a policy, and refuses them in what they are to select. Pure. */
export function adviceOnSelectors({ selector, namespaceSelector }: Selectors): Advice[] {
  return Object.entries({ selector, namespaceSelector }).flatMap(([field, said]) => {
    const impossible = (path: PropertyKey[], label: string): Advice => ({
      path: [field, ...path],
      rule: 'LabelCannotBe',
      what: `no ${field === 'selector' ? 'pod' : 'namespace'} can have ${label}`,
      why: LABELS,
      example: `${field}: {matchLabels: {app.kubernetes.io/name: order}}`,
    });
    return [
      ...Object.entries(said?.matchLabels ?? {})
        .filter(([key, value]) => !isLabelKey(key) || !isLabelValue(value))
        .map(([key, value]) => impossible(['matchLabels', key], `the label ${key}: ${value}`)),
      ...(said?.matchExpressions ?? []).flatMap(({ key, values = [] }, i) => [
        ...(isLabelKey(key) ? [] : [impossible(['matchExpressions', i, 'key'], `the label ${key}`)]),
        ...values.flatMap((value, j) =>
          isLabelValue(value) ? [] : [impossible(['matchExpressions', i, 'values', j], `the label ${key}: ${value}`)],
        ),
      ]),
    ];
  });
}
