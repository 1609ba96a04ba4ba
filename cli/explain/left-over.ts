import { GROUP } from '../../crds/tracing-policy.ts';
import { INJECT, NAMESPACE_LABEL } from '../../injector/names.ts';
import type { Pod } from '../../injector/pod.ts';
import { at, templatePath } from '../workload.ts';
import { quoted, templatePatch } from './commands.ts';
import type { Facts } from './facts.ts';
import { isInjected } from './pods.ts';
import type { Problem } from './problem.ts';

/**
 * What an operator that is not there any more has left of a workload, and how to remove it. @param restart makes its pods anew.
 */
export function leftOver(facts: Facts, kubectl: string, target: string, restart: string): Problem[] {
  const { workload, pods, namespace, namespaceLabels = {} } = facts;
  const traced = pods.filter(isInjected).length;
  const running =
    traced > 0
      ? `${traced} of its pods ${traced === 1 ? 'runs' : 'run'} on with the agent, under the last policy that was told`
      : undefined;
  const label: Problem[] =
    NAMESPACE_LABEL in namespaceLabels
      ? [
          {
            text: `left over: the label ${NAMESPACE_LABEL} of namespace ${namespace}, which does nothing now`,
            next: `kubectl label namespace ${namespace} ${NAMESPACE_LABEL}-`,
          },
        ]
      : [];
  const path = templatePath(workload) ?? [];
  const own = path.length === 0 ? [] : namesIn(workload.metadata.annotations);
  const template = path.length === 0 ? [] : namesIn((at(workload, path) as Pod).metadata?.annotations);
  if (own.length + template.length > 0) {
    const where = [
      ...(own.length > 0 ? [`${own.join(', ')} on the ${workload.kind}`] : []),
      ...(template.length > 0 ? [`${template.join(', ')} on its pod template`] : []),
    ];
    const isFixed = ['Job', 'ReplicaSet'].includes(workload.kind);
    return [
      {
        text: `left over, and of no effect now: ${where.join('; ')}${running === undefined ? '' : `. ${running}`}`,
        next: isFixed
          ? `${kubectl} get ${target} -o yaml # and create it anew without`
          : `${kubectl} patch ${target} --type merge -p ${quoted(JSON.stringify(withoutAnnotations(workload.kind, own, template)))}`,
      },
      ...label,
    ];
  }
  return [...(running === undefined ? [] : [{ text: `left over: ${running}`, next: restart }]), ...label];
}

/** Names of ours among annotations; the one that asks first. */
function namesIn(annotations: Record<string, string> = {}): string[] {
  return Object.keys(annotations)
    .filter((name) => name.startsWith(`${GROUP}/`))
    .sort((a, b) => Number(b === INJECT) - Number(a === INJECT) || a.localeCompare(b));
}

function withoutAnnotations(kind: string, own: string[], template: string[]): object {
  const gone = (names: string[]) => Object.fromEntries(names.map((name) => [name, null]));
  return {
    ...(own.length > 0 && { metadata: { annotations: gone(own) } }),
    ...(template.length > 0 && templatePatch(kind, gone(template))),
  };
}
