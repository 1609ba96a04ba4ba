import * as z from 'zod';
import type { Decision } from '../injector/decision.ts';
import type { InjectOptions } from '../injector/inject.ts';
import { injectPod, isAsked } from '../injector/inject.ts';
import type { Pod } from '../injector/pod.ts';
import type { Policies, Resolution } from '../injector/resolve.ts';
import { resolve } from '../injector/resolve.ts';
import { firstIssue } from './input-error.ts';
import type { Workload } from '../injector/workload.ts';
import { propagateInject, WORKLOAD_KINDS } from '../injector/workload.ts';

/** What decides about an object besides itself. */
export interface Surroundings {
  namespace: string;
  namespaceLabels: Record<string, string>;
  policies: Policies;
  options: InjectOptions;
}

/** What becomes of an object that is or makes pods. */
export interface Outcome {
  /** The very object that was given where nothing changes. */
  object: Record<string, unknown>;
  /** The pod it is or makes, before injection, with the workload as its owner. */
  pod: Pod;
  asked: ReturnType<typeof isAsked>;
  resolution: Resolution;
  decisions: Decision[];
}

/** Kinds that have a pod template, and where. */
const TEMPLATES: Record<string, string[]> = {
  Pod: [],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
  PodTemplate: ['template'],
};
const USUAL = ['spec', 'template'];
const CERTAIN = [...WORKLOAD_KINDS, 'ReplicaSet', 'ReplicationController', ...Object.keys(TEMPLATES)];

/**
 * Where in an object its pod template is: for kinds that we do not know (Argo's Rollout, Knative's Service) in
 * `spec.template`, where containers are there. Undefined for an object that makes no pods.
 */
export function templatePath(object: Record<string, unknown>): string[] | undefined {
  const kind = String(object['kind']);
  const path = TEMPLATES[kind] ?? USUAL;
  if (CERTAIN.includes(kind)) return path;
  return Array.isArray(at(object, [...path, 'spec', 'containers'])) ? path : undefined;
}

const text = (example: string) => z.string(`this must be text: put it into quotes, e.g. ${example}`);
const texts = z.record(z.string(), text('tracing.acme/inject: "true"'), 'a map of text is expected, e.g. {app: web}');
const metadata = z
  .looseObject({
    name: text('name: "42"').optional(),
    namespace: text('namespace: "42"').optional(),
    labels: texts.optional(),
    annotations: texts.optional(),
  })
  .optional();
const words = z.array(text('args: ["8080"]'), 'a list is expected, e.g. ["node", "server.js"]').optional();
const named = { name: text('name: app') };
const container = z.looseObject({
  ...named,
  command: words,
  args: words,
  env: z
    .array(
      z.looseObject({ ...named, value: text('value: "8080"').optional(), valueFrom: z.looseObject({}).optional() }),
    )
    .optional(),
  envFrom: z.array(z.looseObject({ prefix: text('prefix: "1"').optional() })).optional(),
  volumeMounts: z.array(z.looseObject({ ...named, mountPath: text('mountPath: /data') })).optional(),
  resources: z.looseObject({}).optional(),
  securityContext: z.looseObject({}).optional(),
});
const containersMessage = 'a list of containers is expected, e.g. containers: [{name: app, image: app:1}]';
/** What injection reads of a pod; the API server would refuse anything else. */
const template = z.looseObject({
  metadata,
  spec: z.looseObject(
    {
      containers: z.array(container, containersMessage).min(1, containersMessage),
      initContainers: z.array(container).optional(),
      volumes: z.array(z.looseObject(named)).optional(),
      nodeSelector: texts.optional(),
      securityContext: z.looseObject({}).optional(),
    },
    'a pod spec is expected, e.g. spec: {containers: [{name: app, image: app:1}]}',
  ),
});

/** What is wrong with the parts of a workload that injection reads: where, and what is allowed there. */
export function problemOf(
  object: Record<string, unknown>,
  path: string[],
): { path: PropertyKey[]; message: string } | undefined {
  const own = z.looseObject({ metadata }).safeParse(object);
  const checked = own.success ? template.safeParse(at(object, path) ?? {}) : own;
  const issue = firstIssue(checked);
  return issue && { ...issue, path: own.success ? [...path, ...issue.path] : issue.path };
}

/**
 * What the webhook does with a workload and then with the pods it makes, in one go: copies the annotation to the pod
 * template, and injects that.
 */
export function decide(object: Record<string, unknown>, path: string[], around: Surroundings): Outcome {
  const kind = String(object['kind']);
  const isWorkload = WORKLOAD_KINDS.includes(kind);
  // A workload without metadata makes no difference: the API server refuses it.
  const workload = { ...(object as unknown as Workload) };
  workload.metadata ??= {};
  const propagated = isWorkload ? propagateInject(workload) : undefined;
  const changed =
    propagated && propagated.workload !== workload ? (propagated.workload as unknown as typeof object) : object;
  const pod = podOf(changed, path);
  const { namespace, namespaceLabels } = around;
  const resolution = resolve(around.policies, { ...pod.metadata, namespace, namespaceLabels });
  const result = injectPod(pod, { name: namespace, labels: namespaceLabels }, resolution, around.options);
  const decisions = [...(propagated?.decisions ?? []), ...result.decisions];
  const asked = isAsked(pod.metadata?.annotations, namespaceLabels, resolution);
  if (result.pod === pod) return { object: changed, pod, asked, resolution, decisions };
  const { ownerReferences: _, ...meta } = result.pod.metadata ?? {};
  const injected =
    path.length === 0 ? result.pod : { ...(at(changed, path) as object), metadata: meta, spec: result.pod.spec };
  return { object: put(changed, path, injected), pod, asked, resolution, decisions };
}

/** The pod that an object is, or makes: as its owner the object itself, by whose name its spans are called. */
export function podOf(object: Record<string, unknown>, path: string[]): Pod {
  if (path.length === 0) return object as unknown as Pod;
  const made = at(object, path) as Pod;
  const {
    apiVersion = '',
    kind = '',
    metadata: own,
  } = object as { apiVersion?: string; kind?: string; metadata?: { name?: string } };
  const ownerReferences = [{ apiVersion, kind, name: own?.name ?? '', controller: true }];
  return { ...made, metadata: { ...made.metadata, ...(own?.name && { ownerReferences }) } };
}

/** What an object has at a path. */
export function at(object: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object);
}

/** A copy with something else at a path; what is beside the path is not copied. */
export function put(
  object: Record<string, unknown>,
  [key, ...rest]: readonly string[],
  value: object,
): Record<string, unknown> {
  if (key === undefined) return value as Record<string, unknown>;
  return { ...object, [key]: put(object[key] as Record<string, unknown>, rest, value) };
}
