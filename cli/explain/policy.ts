import { GROUP, VERSION } from '../../crds/tracing-policy.ts';
import type { LabelSelector } from '../../crds/tracing-policy.ts';
import { NO_POLICY, OVERRIDE, POLICY_KEY } from '../../injector/names.ts';
import { overrideProblem } from '../../injector/override.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Policy } from '../../injector/resolve.ts';
import { describePolicy, selectsNamespace } from '../../injector/resolve.ts';
import { SWITCH, switchedOn } from '../switch/switch.ts';
import type { Outcome } from '../workload.ts';
import type { Facts } from './facts.ts';
import { isInjected, operatorLogs } from './pods.ts';
import type { Problem, Wish } from './problem.ts';
import { likelyReceiver } from './receivers.ts';
import { SOON } from './under-way.ts';
import { changedAt } from './written.ts';

/** Whose endpoint somebody has to fill in. */
const ANY_RECEIVER = 'http://COLLECTOR.NAMESPACE:4318';

/** What there is to say about the policy of a workload. */
export interface PolicyFinding {
  problems: Problem[];
  wishes: Wish[];
  /** What is on its way. */
  underWay: string[];
  /** A problem is that the operator has not looked at it. */
  isLate?: boolean;
}

export function policyLine(document: PolicyDocument | undefined, facts: Facts, sure: boolean): string {
  if (!document) return sure ? 'none applies: nothing is recorded' : 'none that you may read applies';
  const { sampling, exporters, propagators } = document.spec;
  const to = exporters.map(({ name, endpoint, protocol }) => `${name} ${endpoint} (${protocol})`).join(', ');
  const missing = sure ? 'nowhere' : "nowhere, unless the chart's default says where";
  const from = !sure && deliveredTo(facts) === document ? ', as the operator delivered it' : '';
  return `${document.source}${from}: ${samplingLine(sampling)}, to ${to || missing}, propagators ${propagators.join(', ')}`;
}

function samplingLine({ ratio, parentBased, rules = [] }: PolicyDocument['spec']['sampling']): string {
  const ruled =
    rules.length > 0 ? `, but for what ${rules.length === 1 ? 'a rule is' : `${rules.length} rules are`} about` : '';
  return `ratio ${ratio}${ruled}${parentBased === false ? ', whatever a caller decided' : ''}`;
}

/** The document that the operator wrote for the pods of the workload: what is in force, whoever asks. */
export function deliveredTo({ pods, delivered }: Facts): PolicyDocument | undefined {
  for (const { metadata } of pods) {
    const document = delivered?.get(metadata.annotations?.[POLICY_KEY] ?? '');
    if (document) return document;
  }
  return undefined;
}

/** Whether all that decides which policy applies could be read: otherwise the operator may have resolved something else. */
export function isSure({ namespaced, cluster, namespaceLabels, installation }: Facts): boolean {
  const defaults = typeof installation === 'object' ? installation.defaults : undefined;
  return [namespaced, cluster, namespaceLabels, defaults].every(Boolean);
}

/** @param sure whether all that decides which policy applies could be read. */
export function findPolicy(
  facts: Facts,
  { resolution: { policy, problems: notes }, pod }: Pick<Outcome, 'resolution' | 'pod'>,
  asked: boolean,
  document: PolicyDocument | undefined,
  sure: boolean,
): PolicyFinding {
  const kubectl = `kubectl -n ${facts.namespace}`;
  const found: PolicyFinding = { problems: [], wishes: [], underWay: [] };
  for (const text of facts.unreadable)
    found.problems.push({
      text: `${text}: the operator ignores it`,
      next: `${kubectl} get tracingpolicy -o yaml`,
    });
  const wrong = policy && overrideProblem(policy, facts.now);
  if (wrong !== undefined)
    found.problems.push({
      text: `the annotation ${OVERRIDE} of ${describePolicy(policy!)} counts for nothing: ${wrong}`,
      next: `${commandFor(policy!)} annotate ${nameOf(policy!)} ${OVERRIDE}-`,
    });
  if (!asked) return found;
  const show = policy ? `${commandFor(policy)} describe ${nameOf(policy)}` : `${kubectl} get tracingpolicy`;
  for (const text of notes)
    found.problems.push({ text, next: text.startsWith('annotation ') ? `${kubectl} get tracingpolicy` : show });
  if (policy?.spec.enabled === false)
    found.wishes.push({
      ...{ link: 'policy', text: `${describePolicy(policy)} is switched off (enabled: false)`, to: 'To switch it on' },
      next:
        policy.metadata.name === SWITCH
          ? switchedOn(policy)
          : `${commandFor(policy)} patch ${nameOf(policy)} --type merge -p '{"spec":{"enabled":true}}'`,
    });
  else if (document ? document.spec.exporters.length === 0 && sure : sure || isToldNone(facts))
    found.problems.push(policy && document ? noExporter(policy, facts) : noPolicy(facts, pod.metadata?.labels));
  const { generation = 0 } = policy?.metadata ?? {};
  if (policy && (policy.status?.observedGeneration ?? 0) < generation) {
    const since = facts.now - (changedAt(facts, policy) ?? 0);
    if (since < SOON)
      found.underWay.push(
        `${describePolicy(policy)} was changed ${seconds(since)} ago, and the operator is about to look at it: that takes a second or two`,
      );
    else {
      found.isLate = true;
      found.problems.push({
        text: `the operator has not looked at the newest ${describePolicy(policy)} yet`,
        next: operatorLogs(facts),
      });
    }
  }
  return found;
}

/** The operator itself has told its pods so. */
function isToldNone({ pods }: Facts): boolean {
  const told = pods.filter(isInjected).map(({ metadata }) => metadata.annotations?.[POLICY_KEY]);
  return told.length > 0 && told.every((key) => key === NO_POLICY);
}

function noExporter(policy: Policy, facts: Facts): Problem {
  const text = `${describePolicy(policy)} has no exporter, and the chart's default has none: spans have nowhere to go`;
  const command = commandFor(policy);
  // One was written, and may not be used.
  if (policy.spec.exporters?.length) return { link: 'policy', text, next: `${command} edit ${nameOf(policy)}` };
  const { exporter, remark } = firstExporter(facts, policy.kind === 'TracingPolicy');
  const patch = JSON.stringify({ spec: { exporters: [exporter] } });
  return {
    ...{ link: 'policy', text },
    next: `${command} patch ${nameOf(policy)} --type merge -p '${patch}'${remark}`,
  };
}

function noPolicy(facts: Facts, labels: Record<string, string> | undefined): Problem {
  const kubectl = `kubectl -n ${facts.namespace}`;
  const text = 'no policy applies, so nothing is recorded';
  const { namespaced = [], cluster = [], namespaceLabels } = facts;
  const [near, ...others] = [
    ...namespaced,
    ...cluster.filter((policy) => selectsNamespace(policy, namespaceLabels)),
    ...cluster.filter((policy) => !selectsNamespace(policy, namespaceLabels)),
  ];
  if (near) {
    const more = others.length > 0 ? `; nor do ${others.length} more, see Candidates` : '';
    const ofNamespace = near.kind === 'ClusterTracingPolicy' && !selectsNamespace(near, namespaceLabels);
    const selector =
      near.kind === 'ClusterTracingPolicy' && ofNamespace ? near.spec.namespaceSelector : near.spec.selector;
    const field = ofNamespace ? 'namespaceSelector' : 'selector';
    const whose = ofNamespace
      ? `namespace ${facts.namespace} (${labelList(namespaceLabels)})`
      : `the pods (${labelList(labels)})`;
    return {
      link: 'policy',
      text: `${text}: ${describePolicy(near)} does not match, as its ${field} (${selectorText(selector)}) is not met by the labels of ${whose}${more}`,
      next: `${commandFor(near)} edit ${nameOf(near)} # spec.${field}, or the labels`,
    };
  }
  const { exporter, remark } = firstExporter(facts, true);
  const first = {
    ...{ apiVersion: `${GROUP}/${VERSION}`, kind: 'TracingPolicy', metadata: { name: 'default' } },
    spec: { exporters: [exporter] },
  };
  return { link: 'policy', text, next: `${kubectl} apply -f - <<< '${JSON.stringify(first)}'${remark}` };
}

/** An exporter as it may be to begin with: to what takes OTLP there, as far as that may be seen. */
function firstExporter({ receivers, namespace }: Facts, ofNamespace: boolean) {
  const likely = receivers && likelyReceiver(receivers, ofNamespace ? namespace : undefined);
  return {
    exporter: { name: 'default', ...(likely ?? { endpoint: ANY_RECEIVER }) },
    remark: likely ? ' # is it the receiver that you mean?' : ' # with the OTLP endpoint of your Collector or Jaeger',
  };
}

export function commandFor(policy: Policy): string {
  return policy.kind === 'TracingPolicy' ? `kubectl -n ${policy.metadata.namespace}` : 'kubectl';
}

export function nameOf({ kind, metadata }: Policy): string {
  return `${kind.toLowerCase()} ${metadata.name}`;
}

function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): string {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) =>
      [key, operator, ...(values.length > 0 ? [`(${values.join(', ')})`] : [])].join(' '),
    ),
  ].join(', ');
}

function labelList(labels: Record<string, string> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length > 0 ? pairs.join(', ') : 'none';
}

function seconds(millis: number): string {
  return `${Math.max(0, Math.round(millis / 1000))} s`;
}
