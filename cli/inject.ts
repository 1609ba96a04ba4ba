import type { Decision } from '../injector/decision.ts';
import type { InjectOptions } from '../injector/inject.ts';
import { agentImage } from '../injector/inject.ts';
import { INJECT } from '../injector/names.ts';
import type { ObjectMeta, Pod } from '../injector/pod.ts';
import { describePolicy } from '../injector/resolve.ts';
import type { DefaultPolicy, Resolution } from '../injector/resolve.ts';
import { SYSTEM_NAMESPACE } from '../operator/reach.ts';
import { mistakes } from './explain/mistakes.ts';
import { InputError } from './input-error.ts';
import { apply, edit } from './manifest/edit.ts';
import type { Item } from './manifest/items.ts';
import { itemsOf, withItems } from './manifest/items.ts';
import { parseManifest } from './manifest/manifest.ts';
import type { WrittenPolicies } from './policy-file.ts';
import { policiesOf } from './policy-file.ts';
import type { Outcome } from './workload.ts';
import { at, decide, problemOf, templatePath } from './workload.ts';

/** What an offline injection knows besides the file. */
export interface InjectContext {
  /** Of objects that do not say theirs. */
  namespace: string;
  /** Besides those in the file itself. */
  policies: WrittenPolicies;
  defaults: DefaultPolicy;
  options: InjectOptions;
}

/** What was decided about one object of a file. */
export interface Verdict {
  /** `web.yaml, document 1, line 1: Deployment shop/web` */
  subject: string;
  /** `injected`, `unchanged` or `left alone`, with why. */
  what: string;
  /** Whether the object comes out other than it went in. */
  changed: boolean;
  /** Whether it asks for the agent. */
  asked: boolean;
  /** Whether it asks for the agent and does not get it. */
  refused: boolean;
  /** The image of the agent that it gets. */
  image?: string;
}

/**
 * Injects the objects of a file as the webhook would. What is not changed keeps every byte.
 * @throws InputError
 */
export function injectManifest(
  text: string,
  file: string,
  context: InjectContext,
): { text: string; verdicts: Verdict[] } {
  const documents = parseManifest(text, file);
  const written = policiesOf(documents, context.namespace);
  const policies = {
    namespaced: [...written.namespaced, ...context.policies.namespaced],
    cluster: [...written.cluster, ...context.policies.cluster],
    defaults: context.defaults,
  };
  const namespaces = namespacesOf(documents.flatMap(itemsOf));
  const verdicts: Verdict[] = [];
  const splices = documents.flatMap((document) => {
    const found: Verdict[] = [];
    const objects = itemsOf(document).map((item) => {
      const path = templatePath(item.object);
      const wrong = path && problemOf(item.object, path);
      if (wrong)
        throw new InputError(`${item.position(wrong.path)}: ${wrong.path.map(String).join('.')}: ${wrong.message}`);
      const namespace = metadataOf(item).namespace ?? context.namespace;
      const outcome =
        path &&
        namespace !== SYSTEM_NAMESPACE &&
        decide(item.object, path, {
          namespace,
          namespaceLabels: { 'kubernetes.io/metadata.name': namespace, ...namespaces.get(namespace)?.labels },
          policies,
          options: context.options,
        });
      const made = verdict(item, namespace, outcome, context.options);
      if (outcome) made.what = [made.what, ...mistaken(item, path, namespace, namespaces.get(namespace))].join('; ');
      found.push(made);
      return outcome ? outcome.object : item.object;
    });
    verdicts.push(...found);
    if (!found.some(({ changed }) => changed)) return [];
    const edited = edit(text, document, withItems(document, objects));
    if (edited.rewritten)
      for (const each of found)
        if (each.changed)
          each.what +=
            '; the document is written anew, without its comments (it has anchors or a notation that cannot be added to)';
    return edited.splices;
  });
  return { text: apply(text, splices), verdicts };
}

/** What is written under our prefix that nobody reads, as explain says it of what is in the cluster. */
function mistaken(
  { object }: Item,
  path: string[],
  namespace: string,
  { labels, annotations }: ObjectMeta = {},
): string[] {
  const { metadata } = at(object, path) as Pod;
  return mistakes(
    {
      workload: { kind: object.kind, metadata: (object['metadata'] ?? {}) as ObjectMeta },
      namespace,
      ...(labels && { namespaceLabels: labels }),
      ...(annotations && { namespaceAnnotations: annotations }),
    },
    metadata,
    'kubectl',
    object.kind.toLowerCase(),
  ).map(({ text }) => text);
}

function verdict(item: Item, namespace: string, outcome: Outcome | false | undefined, options: InjectOptions): Verdict {
  const { name, generateName } = metadataOf(item);
  const place = outcome ? `${namespace}/` : '';
  const subject = `${item.position()}: ${item.object.kind} ${place}${name ?? generateName ?? '(no name)'}`;
  if (!outcome) {
    const why = outcome === false ? `pods of ${namespace} are never looked at` : 'it makes no pods';
    return { subject, what: `unchanged: ${why}`, asked: false, changed: false, refused: false };
  }
  const { decisions, resolution, asked } = outcome;
  const changed = outcome.object !== item.object;
  const injected = decisions.filter(({ reason }) => reason === 'Injected').map(({ container }) => container);
  const others = decisions.filter(({ reason }) => reason !== 'Injected').map(describe);
  if (injected.length === 0) {
    const already = decisions.some(({ reason }) => reason === 'AlreadyInjected');
    // Of a workload's own annotation that says neither nothing is copied to the pod.
    const asks = asked.asked !== false || decisions.some(({ reason }) => reason === 'InvalidAnnotation');
    const refused = asks && !already;
    const state = refused
      ? 'left alone'
      : changed
        ? `changed: ${INJECT} is not asked for by the workload any more`
        : 'unchanged';
    return { subject, what: [state, others.join('; ')].join(': '), asked: asks, changed, refused };
  }
  const by = asked.by === 'pod' ? 'annotation' : asked.by;
  const policy = resolution.policy
    ? describePolicy(resolution.policy)
    : (resolution.document?.source ?? 'no policy yet');
  const what = [
    `injected: ${injected.join(', ')} (asked by ${by}; ${policy})`,
    ...newAgentOf(resolution),
    ...others,
  ].join('; ');
  return { subject, what, asked: true, changed, refused: false, image: agentImage(resolution, options).image };
}

/** A file has one agent; a new one is dealt to pods as they are made. */
function newAgentOf({ canary }: Resolution): string[] {
  if (!canary || canary.percent === 0) return [];
  const { agent, percent, policy } = canary;
  return [
    `without the new agent ${agent.image}, which ${describePolicy(policy)} gives to ${percent} % of the pods that the webhook injects`,
  ];
}

export function describe({ container, reason, message }: Decision): string {
  return `${container ? `${container}: ` : ''}${reason}: ${message}`;
}

function metadataOf({ object }: Item): { name?: string; generateName?: string; namespace?: string } {
  return object['metadata'] ?? {};
}

/** What is written on the namespaces that the file makes. */
function namespacesOf(items: Item[]): Map<string, ObjectMeta> {
  const found = new Map<string, ObjectMeta>();
  for (const item of items) {
    if (item.object.kind !== 'Namespace') continue;
    const metadata = (item.object['metadata'] ?? {}) as ObjectMeta;
    if (metadata.name !== undefined) found.set(metadata.name, metadata);
  }
  return found;
}
