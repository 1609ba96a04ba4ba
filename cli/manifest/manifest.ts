import type { ParsedNode } from 'yaml';
import { isNode, LineCounter, parseAllDocuments } from 'yaml';
import { InputError } from '../input-error.ts';
import { OPTIONS } from './scalars.ts';

/** An object as a file has it. */
export interface ManifestObject {
  kind: string;
  apiVersion?: string;
  [key: string]: unknown;
}

/** One document of a file that has an object in it. */
export interface ManifestDocument {
  /** As text: what `position` calls it begins with this. */
  file: string;
  /** From 1, empty documents counted. */
  number: number;
  object: ManifestObject;
  node: ParsedNode;
  /** Where something of the document stands: `web.yaml, document 2, line 14`. */
  position(path?: readonly PropertyKey[]): string;
  /** The line of that, from 1. */
  line(path?: readonly PropertyKey[]): number;
}

const EXAMPLE =
  'e.g. {apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: app, image: app:1}]}}';

/**
 * Takes YAML or JSON apart into its documents.
 * @throws InputError naming file, document, line, what is wrong and what is allowed.
 */
export function parseManifest(text: string, file: string): ManifestDocument[] {
  const lines = new LineCounter();
  const parsed = parseAllDocuments<ParsedNode>(text, { ...OPTIONS, lineCounter: lines });
  if (!Array.isArray(parsed)) return [];
  return parsed.flatMap((document, i) => {
    const number = i + 1;
    const at = (offset: number) => `${file}, document ${number}, line ${lines.linePos(offset).line}`;
    const [error] = document.errors;
    if (error?.code === 'DUPLICATE_KEY') throw new InputError(twice(text, error.pos[0], at));
    if (error) throw new InputError(`${at(error.pos[0])}: this is not YAML: ${error.message}${hint(text)}`);
    const node = document.contents;
    const object = toObject(
      () => document.toJS() as unknown,
      () => at(node?.range[0] ?? 0),
    );
    if (node === null || object === null) return [];
    const start = (path: readonly PropertyKey[] = []) => startOf(document, path) ?? node.range[0];
    const position = (path?: readonly PropertyKey[]) => at(start(path));
    const line = (path?: readonly PropertyKey[]) => lines.linePos(start(path)).line;
    if (typeof object !== 'object' || Array.isArray(object))
      throw new InputError(`${position()}: an object is expected, ${EXAMPLE}`);
    const { kind } = object as { kind?: unknown };
    if (typeof kind !== 'string' || kind === '')
      throw new InputError(`${position(['kind'])}: the object does not say its kind, ${EXAMPLE}${hint(text)}`);
    return [{ file, number, object: object as ManifestObject, node, position, line }];
  });
}

/** YAML's own readers disagree on which of two values would count. */
function twice(text: string, offset: number, at: (offset: number) => string): string {
  const key = /^("[^"]*"|'[^']*'|[^\s:]+)/.exec(text.slice(offset))?.[0] ?? 'a key';
  return `${at(offset)}: ${key} is there twice in the same map: leave one of them, or make one list or map of both`;
}

function toObject(read: () => unknown, at: () => string): unknown {
  try {
    return withoutNulls(read());
  } catch (error) {
    throw new InputError(`${at()}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The API server drops fields that are null before any webhook sees them. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, child]) => (child === null ? [] : [[key, withoutNulls(child)]])),
  );
}

/** Of the longest beginning of a path that is there. */
function startOf(document: { getIn(path: unknown[], keep: true): unknown }, path: readonly PropertyKey[]) {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return undefined;
}

function hint(text: string): string {
  return text.includes('{{')
    ? '\nIt looks like a template. Render it first, e.g. helm template CHART > rendered.yaml'
    : '';
}
