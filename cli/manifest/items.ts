import { InputError } from '../input-error.ts';
import type { ManifestDocument, ManifestObject } from './manifest.ts';

/** An object of a document: the document itself, or an item of a `List`. */
export interface Item {
  object: ManifestObject;
  /** Its place in the list; undefined where the document is no list. */
  index?: number;
  position(path?: readonly PropertyKey[]): string;
  line(path?: readonly PropertyKey[]): number;
}

/** The objects of a document. */
export function itemsOf(document: ManifestDocument): Item[] {
  const { object } = document;
  if (!isList(object)) return [document];
  return object.items.map((item: unknown, index) => {
    const position = (path: readonly PropertyKey[] = []) => document.position(['items', index, ...path]);
    const line = (path: readonly PropertyKey[] = []) => document.line(['items', index, ...path]);
    if (typeof item !== 'object' || item === null || typeof (item as ManifestObject).kind !== 'string')
      throw new InputError(`${position()}: item ${index + 1} of the list does not say its kind, e.g. {kind: Pod, …}`);
    return { object: item as ManifestObject, index, position, line };
  });
}

/** The list with other objects in the place of its own. */
export function withItems(document: ManifestDocument, objects: readonly unknown[]): unknown {
  return isList(document.object) ? { ...document.object, items: objects } : objects[0];
}

function isList(object: ManifestObject): object is ManifestObject & { items: unknown[] } {
  return object.kind.endsWith('List') && Array.isArray(object['items']);
}
