import { InputError } from '../input-error.ts';
import { apply, edit } from '../manifest/edit.ts';
import type { Item } from '../manifest/items.ts';
import { itemsOf, withItems } from '../manifest/items.ts';
import type { ManifestObject } from '../manifest/manifest.ts';
import { parseManifest } from '../manifest/manifest.ts';
import { at, problemOf, put, templatePath } from '../workload.ts';
import { convertNamespaceMetadata, convertPodMetadata } from './annotations.ts';
import { convertInstrumentation } from './instrumentation.ts';
import type { Note } from './note.ts';

const WORDS: Record<Note['outcome'], string> = {
  converted: 'converted to',
  kept: 'not converted:',
  unneeded: 'not needed:',
};
const SERVED = 'opentelemetry.io/v1alpha1';

/**
 * Turns a file for opentelemetry-operator into one for us: Instrumentations become TracingPolicies, annotations for Node.js
 * ours; everything else keeps every byte.
 *
 * @returns the file; a line for each field: what it has become, or why it has not; and how many fields somebody has to see to.
 * @throws InputError
 */
export function migrateManifest(text: string, file: string): { text: string; lines: string[]; left: number } {
  const lines: string[] = [];
  let left = 0;
  const splices = parseManifest(text, file).flatMap((document) => {
    const items = itemsOf(document);
    const objects = items.map((item) => {
      const notes: Note[] = [];
      const result = convert(item, notes);
      const { name } = (item.object['metadata'] ?? {}) as { name?: string };
      const inOrder = notes.sort((a, b) => item.line(a.path) - item.line(b.path));
      for (const { path, outcome, text: what } of inOrder)
        lines.push(
          `${item.position(path)}: ${item.object.kind} ${name ?? '(no name)'}: ${path.join('.')}: ${WORDS[outcome]} ${what}`,
        );
      left += notes.filter(({ outcome }) => outcome === 'kept').length;
      return result;
    });
    if (objects.every((object, i) => object === items[i]!.object)) return [];
    return edit(text, document, withItems(document, objects)).splices;
  });
  if (lines.length === 0) lines.push(`${file}: there is nothing of opentelemetry-operator for Node.js in it`);
  return { text: apply(text, splices), lines, left };
}

function convert(item: Item, notes: Note[]): object {
  const { object } = item;
  if (object.kind === 'Instrumentation' && String(object.apiVersion).startsWith('opentelemetry.io/')) {
    if (object.apiVersion !== SERVED)
      throw new InputError(
        `${item.position(['apiVersion'])}: ${object.apiVersion} is not known; Instrumentations are ${SERVED}, e.g. kubectl get instrumentation -o yaml`,
      );
    const { policy, notes: found } = convertInstrumentation(object);
    notes.push(...found);
    return policy;
  }
  if (object.kind === 'Namespace') {
    const metadata = (object['metadata'] ?? {}) as Record<string, unknown>;
    const changed = convertNamespaceMetadata(metadata, ['metadata'], notes);
    return changed === metadata ? object : { ...object, metadata: changed };
  }
  const path = templatePath(object);
  return path ? convertTemplate(item, path, notes) : object;
}

function convertTemplate(item: Item, path: string[], notes: Note[]): object {
  const { object } = item;
  const wrong = problemOf(object, path);
  if (wrong)
    throw new InputError(`${item.position(wrong.path)}: ${wrong.path.map(String).join('.')}: ${wrong.message}`);
  const template = at(object, path) as ManifestObject;
  const metadata = (template['metadata'] ?? {}) as Record<string, unknown>;
  const { containers } = template['spec'] as { containers: { name: string }[] };
  const changed = convertPodMetadata(
    metadata,
    [...path, 'metadata'],
    containers.map(({ name }) => name),
    notes,
  );
  return changed === metadata ? object : put(object, path, { ...template, metadata: changed });
}
