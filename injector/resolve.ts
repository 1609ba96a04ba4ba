import { createHash } from 'node:crypto';
import { millisOf } from '../crds/duration.ts';
import type { Exporter } from '../crds/exporter.ts';
import type { AgentSpec } from '../crds/agent.ts';
import type { ClusterTracingPolicy, DefaultPolicySpec, TracingPolicy } from '../crds/tracing-policy.ts';
import { canaryAgent, isCanaryHalted } from './canary.ts';
import type { CredentialPath } from './credentials.ts';
import { credentialPaths, withPaths } from './credentials.ts';
import { batchOptions, exportOptions } from './export-options.ts';
import { NO_POLICY, POLICY } from './names.ts';
import type { InForce } from './override.ts';
import { overrideFor } from './override.ts';
import type { ObjectMeta } from './pod.ts';
import type { DocumentKeep, DocumentSampling, DocumentSignals } from './policy-document.ts';
import type { PolicyDocument, PolicyDocumentSpec } from './policy-document.ts';
import { selects } from './selector.ts';

export type Policy = TracingPolicy | ClusterTracingPolicy;

/** What the chart's `defaultPolicy` says; it fills the fields that a policy leaves out and applies where none matches. */
export type DefaultPolicy = DefaultPolicySpec;

/** All policies that may apply in one namespace, in any order. */
export interface Policies {
  namespaced: readonly TracingPolicy[];
  cluster: readonly ClusterTracingPolicy[];
  defaults: DefaultPolicy;
  /** Milliseconds since 1970, by which overrides begin and end. Left out: none counts. */
  now?: number;
}

/** The pod that is asked about. */
export interface Subject {
  namespace: string;
  namespaceLabels?: Record<string, string> | undefined;
  labels?: Record<string, string> | undefined;
  annotations?: Record<string, string> | undefined;
  /** With labels and owner it says which workload the pod is of. */
  name?: string | undefined;
  ownerReferences?: ObjectMeta['ownerReferences'] | undefined;
}

/** Why a policy stands where it does among the candidates: a closed list. */
export type Rank = 'Override' | 'NamedByPod' | 'Namespaced' | 'Cluster';

export interface Candidate {
  policy: Policy;
  rank: Rank;
}

/** Where an agent comes from; what is left out is as in the chart. */
export type AgentChoice = Pick<AgentSpec, 'image' | 'imagePullPolicy'>;

export interface Canary {
  policy: ClusterTracingPolicy;
  agent: AgentChoice;
  /** Of new pods; 0 where it does not spread any more. */
  percent: number;
}

/** What applies to one pod, and what else would have. */
export interface Resolution {
  /** The policy in force; undefined where the chart's default, or nothing, applies. */
  policy: Policy | undefined;
  /** Undefined where nothing applies: no policy matches and the chart's default has no exporter. */
  document: PolicyDocument | undefined;
  /** Every policy that matches, the one in force first. */
  candidates: Candidate[];
  /** The agent that a cluster policy wants new pods to have; undefined: the chart's. */
  agent: AgentChoice | undefined;
  /** The new agent that a share of new pods gets instead, where a cluster policy says so. */
  canary: Canary | undefined;
  /**
   * The files that a pod which is made now should have: those of the policy in force first, then those of every other
   * that would be if that went, or were switched on, since a running pod's volumes cannot change.
   */
  credentials: CredentialPath[];
  /** What the user should know: a policy that the pod names and that is not there, an exporter that was left out. */
  problems: string[];
}

/** What puts a policy into its rank; in their order. */
export const RANKS: Record<Rank, string> = {
  Override: 'a ClusterTracingPolicy with override: true comes first',
  NamedByPod: `the annotation ${POLICY} names it`,
  Namespaced: 'a TracingPolicy of the namespace selects the pods',
  Cluster: 'a ClusterTracingPolicy selects them, after those of the namespace',
};
const ORDER = Object.keys(RANKS);

/**
 * Says which policy applies to a pod. Webhook, controllers and CLI all ask here, so they cannot disagree.
 *
 * In order: a cluster policy that overrides; the TracingPolicy that the pod names by annotation; TracingPolicies of its
 * namespace whose selector matches; cluster policies whose selectors match; the chart's default. Within one rank the
 * highest priority wins, then the oldest, then the first by name: adding a policy of equal priority never silently
 * changes what pods under an existing one do.
 */
export function resolve(policies: Policies, subject: Subject): Resolution {
  return resolver(policies, subject)(subject);
}

/** resolve() for many pods of one namespace: what does not depend on the pod is worked out once. */
export function resolver(
  { namespaced, cluster, defaults, now }: Policies,
  { namespace, namespaceLabels }: Pick<Subject, 'namespace' | 'namespaceLabels'>,
): (pod: Omit<Subject, 'namespace' | 'namespaceLabels'>) => Resolution {
  const here = {
    namespaced: namespaced.filter(({ metadata }) => metadata.namespace === namespace),
    cluster: cluster.filter((policy) => selectsNamespace(policy, namespaceLabels)),
    defaults,
  };
  return ({ labels, annotations, name, ownerReferences }) => {
    const named = annotations?.[POLICY];
    const candidates = [...matchCluster(here.cluster, labels), ...matchNamespaced(here.namespaced, labels, named)].sort(
      (a, b) => ORDER.indexOf(a.rank) - ORDER.indexOf(b.rank) || compare(a.policy, b.policy),
    );
    const policy = candidates[0]?.policy;
    const { document, problems } = policy
      ? documentOf(policy, here)
      : { document: defaultDocument(defaults), problems: [] };
    const missing =
      named !== undefined && !candidates.some(({ rank }) => rank === 'NamedByPod')
        ? [`annotation ${POLICY} names ${named}, and namespace ${namespace} has no TracingPolicy of that name`]
        : [];
    const override =
      policy && now !== undefined
        ? overrideFor(
            policy,
            { ...(name && { name }), ...(labels && { labels }), ...(ownerReferences && { ownerReferences }) },
            namespace,
            now,
          )
        : undefined;
    return {
      policy,
      document: document && override ? overridden(document, override) : document,
      candidates,
      ...chosenAgent(candidates),
      // Only for a pod that is made: not worked out for the thousands that run.
      get credentials() {
        return neededCredentials(candidates, here);
      },
      problems: [...missing, ...problems],
    };
  };
}

/** Of the first cluster policy that names one, whichever policy decides the rest. */
function chosenAgent(candidates: Candidate[]): Pick<Resolution, 'agent' | 'canary'> {
  for (const { policy } of candidates) {
    if (policy.kind !== 'ClusterTracingPolicy' || !policy.spec.agent) continue;
    const { canary, ...agent } = policy.spec.agent;
    const first = canaryAgent(policy.spec.agent);
    const percent = isCanaryHalted(policy) ? 0 : (canary?.percent ?? 0);
    return { agent, canary: first && { policy, agent: first, percent } };
  }
  return { agent: undefined, canary: undefined };
}

function neededCredentials(candidates: Candidate[], here: Policies): CredentialPath[] {
  const exporters = candidates.flatMap(({ policy }) => allowedExporters(policy, here, []) ?? []);
  return credentialPaths([...exporters, ...(here.defaults.exporters ?? [])]);
}

/** How a policy is called in messages: `TracingPolicy shop/default`, `ClusterTracingPolicy base`. */
export function describePolicy(policy: Policy): string {
  const { kind, metadata } = policy;
  return kind === 'TracingPolicy'
    ? `${kind} ${policy.metadata.namespace}/${metadata.name}`
    : `${kind} ${metadata.name}`;
}

/** Whether a cluster policy selects a namespace, by its labels. */
export function selectsNamespace(policy: ClusterTracingPolicy, labels: Record<string, string> | undefined): boolean {
  return selects(policy.spec.namespaceSelector, labels);
}

/** The document of the chart's default alone; undefined while it would send spans nowhere. */
export function defaultDocument(defaults: DefaultPolicy): PolicyDocument | undefined {
  if (!defaults.exporters?.length) return undefined;
  const known = madeOfDefaults.get(defaults);
  if (known) return known;
  const document = makeDocument('chart-default.json', 'chart default', complete({}, defaults));
  madeOfDefaults.set(defaults, document);
  return document;
}

/** The values of the pod annotations `tracing.acme/policy-key` and `-revision` for a resolution. */
export function policyMark(document: PolicyDocument | undefined): { key: string; revision: string } {
  return document ? { key: document.key, revision: document.revision } : { key: NO_POLICY, revision: NO_POLICY };
}

function matchCluster(policies: readonly ClusterTracingPolicy[], labels: Subject['labels']): Candidate[] {
  return policies
    .filter(({ spec }) => selects(spec.selector, labels))
    .map((policy) => ({ policy, rank: policy.spec.override ? 'Override' : 'Cluster' }));
}

function matchNamespaced(
  policies: readonly TracingPolicy[],
  labels: Subject['labels'],
  named: string | undefined,
): Candidate[] {
  return policies.flatMap((policy): Candidate[] => {
    if (policy.metadata.name === named) return [{ policy, rank: 'NamedByPod' }];
    return selects(policy.spec.selector, labels) ? [{ policy, rank: 'Namespaced' }] : [];
  });
}

function compare(a: Policy, b: Policy): number {
  return (
    (b.spec.priority ?? 0) - (a.spec.priority ?? 0) ||
    a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) ||
    (a.metadata.name < b.metadata.name ? -1 : 1)
  );
}

/** Why the policy in force comes before another that matches: `by priority, 10 before 0`. */
export function whyBefore(winner: Candidate, other: Candidate): string {
  if (winner.rank !== other.rank) return `as ${RANKS[winner.rank]}`;
  const [first, second] = [winner, other].map(({ policy }) => policy.spec.priority ?? 0);
  if (first !== second) return `by priority, ${first} before ${second}`;
  const isOlder = winner.policy.metadata.creationTimestamp !== other.policy.metadata.creationTimestamp;
  return isOlder ? 'as the older one' : 'as the first by name, both being of one age';
}

interface Made {
  document: PolicyDocument;
  /** Exporters that were left out. */
  problems: string[];
  /** With what it was made, besides the policy. */
  cluster: readonly ClusterTracingPolicy[];
  defaults: DefaultPolicy;
}

/** Each review of a pod asks for the same few. A policy that changes comes as another object. */
const made = new WeakMap<Policy, Made>();
const madeOfDefaults = new WeakMap<DefaultPolicy, PolicyDocument>();
/** By what they say. */
const overriding = new WeakMap<PolicyDocument, Map<string, PolicyDocument>>();

/** @param here the policies of the pod's namespace alone. */
function documentOf(policy: Policy, here: Policies): Made {
  const { cluster, defaults } = here;
  const known = made.get(policy);
  if (known?.defaults === defaults && isSameList(known.cluster, cluster)) return known;
  const problems: string[] = [];
  const fresh = { document: policyDocument(policy, here, problems), problems, cluster, defaults };
  made.set(policy, fresh);
  return fresh;
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

function policyDocument(policy: Policy, here: Policies, problems: string[]): PolicyDocument {
  const exporters = allowedExporters(policy, here, problems);
  const spec = complete({ ...policy.spec, ...(exporters && { exporters }) }, here.defaults);
  // Switched off, there is nowhere to send spans: all that a process has to know.
  if (policy.spec.enabled === false) {
    spec.exporters = [];
    delete spec.signals;
  }
  const key = `${policy.kind === 'TracingPolicy' ? 'policy' : 'cluster-policy'}.${policy.metadata.name}.json`;
  return makeDocument(key, describePolicy(policy), spec);
}

/** A policy's own exporters, without those that may not be used; undefined where it leaves them to the default. */
function allowedExporters(
  { kind, spec: { exporters } }: Policy,
  here: Policies,
  problems: string[],
): Exporter[] | undefined {
  if (kind !== 'TracingPolicy') return exporters;
  return exporters?.filter((exporter) => isAllowed(exporter, here.cluster, problems));
}

/** Whether every cluster policy that limits this namespace allows an exporter's host. */
function isAllowed(exporter: Exporter, cluster: readonly ClusterTracingPolicy[], problems: string[]): boolean {
  const host = /^https?:\/\/(\[[^\]]*\]|[^:/]+)/.exec(exporter.endpoint)?.[1]?.toLowerCase() ?? '';
  for (const policy of cluster) {
    const { allowedEndpoints } = policy.spec;
    if (!allowedEndpoints) continue;
    if (allowedEndpoints.some((pattern) => hostMatches(pattern.toLowerCase(), host))) continue;
    problems.push(
      `exporter ${exporter.name} is left out: ${describePolicy(policy)} allows the hosts ${allowedEndpoints.join(', ')}, not ${host}`,
    );
    return false;
  }
  return true;
}

function hostMatches(pattern: string, host: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}

/** A document of its own, so that pods of other workloads under the policy are not told anything new. */
function overridden(document: PolicyDocument, override: InForce): PolicyDocument {
  const { workload, until, ratio, reportSeconds } = override;
  let known = overriding.get(document);
  if (!known) overriding.set(document, (known = new Map<string, PolicyDocument>()));
  const id = JSON.stringify(override);
  const made = known.get(id);
  if (made) return made;
  const [kind = '', name = ''] = workload.split('/');
  const hash = createHash('sha256').update(`${document.key} ${workload}`).digest('hex').slice(0, 8);
  const fresh = makeDocument(
    `override.${kind}.${name.slice(0, 200)}.${hash}.json`,
    `${document.source}, overridden for ${workload} until ${until}`,
    {
      ...document.spec,
      sampling: { ...document.spec.sampling, ...(ratio !== undefined && { ratio }) },
      ...(reportSeconds !== undefined && { reportSeconds }),
    },
  );
  known.set(id, fresh);
  return fresh;
}

function makeDocument(key: string, source: string, spec: PolicyDocumentSpec): PolicyDocument {
  const revision = createHash('sha256').update(canonical(spec)).digest('hex').slice(0, 12);
  return { key, revision, source, spec };
}

function complete(spec: DefaultPolicy, defaults: DefaultPolicy): PolicyDocumentSpec {
  const instrumentations = spec.instrumentations ?? defaults.instrumentations ?? [];
  const allow = spec.baggage?.allow ?? defaults.baggage?.allow;
  return {
    sampling: completeSampling({ ...defaults.sampling, ...spec.sampling }),
    ...completeSignals({ ...defaults.signals, ...spec.signals }),
    exporters: (spec.exporters ?? defaults.exporters ?? []).map((exporter) => ({
      name: exporter.name,
      protocol: exporter.protocol ?? 'http/protobuf',
      endpoint: exporter.endpoint,
      ...withPaths(exporter),
      ...exportOptions(exporter),
    })),
    ...batchOptions({ ...defaults.batch, ...spec.batch }),
    propagators: spec.propagators ?? defaults.propagators ?? ['tracecontext', 'baggage'],
    ...(allow && { baggage: { allow } }),
    resource: {
      attributes: { ...defaults.resource?.attributes, ...spec.resource?.attributes },
      ...((spec.resource?.useLabels ?? defaults.resource?.useLabels) && { useLabels: true }),
    },
    ...(instrumentations.length > 0 && { instrumentations }),
    ...((spec.spanNames ?? defaults.spanNames) === 'ServiceOperation' && { spanNames: 'ServiceOperation' }),
  };
}

function completeSampling({
  ratio = 1,
  parentBased,
  rules = [],
  keep,
  force,
}: NonNullable<DefaultPolicy['sampling']>): DocumentSampling {
  const kept: DocumentKeep = {
    ...(keep?.errors && { errors: true }),
    ...(keep?.slowerThan !== undefined && { slowerThanMillis: millisOf(keep.slowerThan) }),
  };
  const { header, maxPerSecond = 1 } = force ?? {};
  return {
    ratio,
    ...(parentBased === false && { parentBased }),
    ...(rules.length > 0 && { rules }),
    ...(Object.keys(kept).length > 0 && { keep: kept }),
    ...(header !== undefined && maxPerSecond > 0 && { force: { header: header.toLowerCase(), maxPerSecond } }),
  };
}

function completeSignals({
  traces,
  metrics,
  logs,
  logCorrelation,
}: NonNullable<DefaultPolicy['signals']>): Pick<PolicyDocumentSpec, 'signals'> {
  const signals: DocumentSignals = {
    ...(traces === false && { traces }),
    ...(metrics && { metrics }),
    ...(logs && { logs }),
    ...(logCorrelation && { logCorrelation }),
  };
  return Object.keys(signals).length > 0 ? { signals } : {};
}

/** JSON with sorted keys: two equal values give one text, whatever order the API server kept. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, node: unknown) =>
    node && typeof node === 'object' && !Array.isArray(node)
      ? Object.fromEntries(Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1)))
      : node,
  );
}
