import { distance } from '../../injector/distance.ts';
import * as names from '../../injector/names.ts';
import type { ObjectMeta } from '../../injector/pod.ts';
import { annotate, patchTemplate } from './commands.ts';
import type { Facts } from './facts.ts';
import type { Problem } from './problem.ts';

const PREFIX = 'tracing.acme/';
/** What people may write on a pod or its template, and what we write there. */
const ON_PODS = new Set<string>([
  ...[names.INJECT, names.CONTAINERS, names.POLICY, names.IMAGE_NODE_OPTIONS],
  ...[
    names.INJECT_FROM_WORKLOAD,
    names.INJECTED_LABEL,
    names.POLICY_KEY,
    names.POLICY_REVISION,
    names.POLICY_TOLD_AGAIN,
  ],
  ...[names.POLICY_DOCUMENT, names.OPERATOR, names.STATUS, names.AGENT, names.RESTARTED_AT],
]);
const ON_PODS_ALONE = [names.CONTAINERS, names.POLICY, names.IMAGE_NODE_OPTIONS];

type Written = Pick<Facts, 'namespace' | 'namespaceLabels' | 'namespaceAnnotations'> & {
  workload: { kind: string; metadata: ObjectMeta };
};

/**
 * What somebody has written under our prefix that nobody reads: a name that is none, or one in the wrong place. The webhook is
 * not even asked about most of these. Pure.
 *
 * @param template where the pods' own metadata is, in the workload; undefined for a pod.
 * @param target as kubectl names the workload: `deployment/web`.
 */
export function mistakes(
  { workload, namespace, namespaceLabels = {}, namespaceAnnotations = {} }: Written,
  template: ObjectMeta | undefined,
  kubectl: string,
  target: string,
): Problem[] {
  const found: Problem[] = [];
  const kind = workload.kind;
  const places = [
    { metadata: workload.metadata, where: `the ${kind}`, isPod: kind === 'Pod' },
    ...(template && kind !== 'Pod' ? [{ metadata: template, where: 'the pod template', isPod: true }] : []),
  ];
  for (const { metadata, where, isPod } of places) {
    const { annotations = {}, labels = {} } = metadata;
    for (const name of Object.keys(annotations).filter((each) => each.startsWith(PREFIX))) {
      if (!ON_PODS.has(name))
        found.push({
          text: `annotation ${name} of ${where} is none that we know${meant(name)}`,
          link: 'wanted',
          next: 'docs/reference/annotations.md',
        });
      else if (!isPod && ON_PODS_ALONE.includes(name))
        found.push({
          text: `annotation ${name} counts on the pod template alone, and is on ${where}`,
          next: patchTemplate(kubectl, target, kind, { [name]: annotations[name]! }),
        });
    }
    if (names.INJECT in labels)
      found.push({
        text: `${names.INJECT} is a label of ${where}, and has to be an annotation`,
        link: 'wanted',
        next: annotate(kubectl, target),
      });
  }
  const label = namespaceLabels[names.NAMESPACE_LABEL];
  if (label !== undefined && label !== 'true' && label !== 'false')
    found.push({
      text: `label ${names.NAMESPACE_LABEL}=${label} of namespace ${namespace} is neither true nor false, so it says nothing`,
      link: 'wanted',
      next: `kubectl label --overwrite namespace ${namespace} ${names.NAMESPACE_LABEL}=true`,
    });
  const misplaced = namespaceAnnotations[names.NAMESPACE_LABEL];
  if (misplaced !== undefined && label === undefined)
    found.push({
      text: `${names.NAMESPACE_LABEL} is an annotation of namespace ${namespace}, and has to be a label`,
      link: 'wanted',
      next: `kubectl label namespace ${namespace} ${names.NAMESPACE_LABEL}=${misplaced === 'false' ? 'false' : 'true'}`,
    });
  return found;
}

/** The name that was meant, where it is not far away. */
function meant(name: string): string {
  const likely = [names.INJECT, ...ON_PODS_ALONE].find((each) => distance(each, name) <= 2);
  return likely ? `: is ${likely} meant?` : '';
}
