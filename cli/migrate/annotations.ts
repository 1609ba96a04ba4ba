import * as names from '../../injector/names.ts';
import { OTEL_OPERATOR } from '../../injector/other-tracers.ts';
import type { Note } from './note.ts';
import { converted, kept, unneeded } from './note.ts';

type Annotations = Record<string, string>;

interface Metadata {
  annotations?: Annotations;
  labels?: Record<string, string>;
  [key: string]: unknown;
}

const PREFIX = 'instrumentation.opentelemetry.io/';
const CONTAINERS = [`${PREFIX}nodejs-container-names`, `${PREFIX}container-names`];

/**
 * The metadata of a pod or pod template with our annotations in the place of opentelemetry-operator's for Node.js; the very
 * one that was given where it has none.
 *
 * @param containers names of the pod's containers: opentelemetry-operator takes the first where none is named, we all.
 */
export function convertPodMetadata(
  metadata: Metadata,
  path: Note['path'],
  containers: string[],
  notes: Note[],
): Metadata {
  const value = metadata.annotations?.[OTEL_OPERATOR];
  // Like there, an empty one counts for nothing.
  if (!value) return metadata;
  const annotations = { ...metadata.annotations };
  delete annotations[OTEL_OPERATOR];
  const at = (name: string) => [...path, 'annotations', name];
  const asked = inject(value, at(OTEL_OPERATOR), notes);
  annotations[names.INJECT] = String(asked.inject);
  if (asked.policy !== undefined) annotations[names.POLICY] = asked.policy;
  const source = CONTAINERS.find((name) => annotations[name] !== undefined);
  if (source !== undefined) {
    annotations[names.CONTAINERS] = annotations[source]!;
    notes.push(converted(at(source), `${names.CONTAINERS}: ${annotations[source]}`));
  } else if (asked.inject && containers.length > 1) {
    annotations[names.CONTAINERS] = containers[0]!;
    notes.push(
      converted(
        at(OTEL_OPERATOR),
        `${names.CONTAINERS}: ${containers[0]}, as only the first container was traced before`,
      ),
    );
  }
  const others = Object.keys(annotations).filter((name) => name.startsWith(`${PREFIX}inject-`));
  if (source !== undefined && (source === CONTAINERS[0] || others.length === 0)) delete annotations[source];
  for (const name of others) notes.push(unneeded(at(name), 'it is not about Node.js and stays'));
  return { ...metadata, annotations };
}

/** The metadata of a Namespace: the annotation there becomes a label. */
export function convertNamespaceMetadata(metadata: Metadata, path: Note['path'], notes: Note[]): Metadata {
  const value = metadata.annotations?.[OTEL_OPERATOR];
  if (!value) return metadata;
  const { [OTEL_OPERATOR]: _, ...annotations } = metadata.annotations ?? {};
  const at = [...path, 'annotations', OTEL_OPERATOR];
  const { inject: asked, policy } = inject(value, at, notes, 'label ');
  if (policy !== undefined)
    notes.push(
      kept(
        at,
        `a namespace cannot name a policy: have TracingPolicy ${policy} select its pods, or leave out its selector`,
      ),
    );
  const { annotations: __, ...others } = metadata;
  return {
    ...others,
    labels: { ...metadata.labels, [names.NAMESPACE_LABEL]: String(asked) },
    ...(Object.keys(annotations).length > 0 && { annotations }),
  };
}

/** What `inject-nodejs` says: true, false, the name of an Instrumentation, or NAMESPACE/NAME. */
function inject(value: string, at: Note['path'], notes: Note[], as = ''): { inject: boolean; policy?: string } {
  const word = value.toLowerCase();
  if (word === 'true' || word === 'false') {
    notes.push(converted(at, `${as}${names.INJECT}: "${word === 'true'}"`));
    return { inject: word === 'true' };
  }
  if (value.includes('/')) {
    notes.push(converted(at, `${as}${names.INJECT}: "true"`));
    notes.push(
      kept(
        at,
        `${value} is of another namespace: what is for several namespaces is a ClusterTracingPolicy with a namespaceSelector`,
      ),
    );
    return { inject: true };
  }
  notes.push(converted(at, as ? `${as}${names.INJECT}: "true"` : `${names.INJECT}: "true", ${names.POLICY}: ${value}`));
  return { inject: true, policy: value };
}
