import { readFileSync, writeFileSync } from 'node:fs';
import { isMap, isScalar, parseDocument, stringify } from 'yaml';
import type { Node, Pair, Scalar, YAMLMap } from 'yaml';

const CHART = new URL('tracing-operator/', import.meta.url);
const README = new URL('README.md', CHART);
/** What stands between these is the values. */
const MARKS = ['<!-- values: from the comments of values.yaml, by "make generate" -->', '<!-- /values -->'] as const;

interface Schema {
  properties?: Record<string, Schema>;
  $ref?: string;
}

/** One of the chart's values, as values.yaml has it. */
export interface Value {
  /** With dots. */
  path: string;
  /** As YAML in one line. */
  default: string;
  /** The comment above it; '' where there is none. */
  meaning: string;
}

const read = (name: string) => readFileSync(new URL(name, CHART), 'utf8');

/** Every value that can be set, in the order of values.yaml. A map is one value where the schema does not name what is in it. */
export function values(): Value[] {
  const schema = JSON.parse(read('values.schema.json')) as Schema & { definitions: Record<string, Schema> };
  const found: Value[] = [];
  const visit = (map: YAMLMap, under: Schema, prefix: string): void => {
    for (const [index, pair] of (map.items as Pair<Scalar<string>, Node | null>[]).entries()) {
      const { key, value } = pair;
      const path = `${prefix}${key.value}`;
      // The comment above the first key of a map belongs, for the parser, to the map.
      const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined) ?? '';
      const own = under.properties?.[key.value] ?? {};
      const type = own.$ref === undefined ? own : schema.definitions[own.$ref.split('/').at(-1)!]!;
      const isWhole = path === 'defaultPolicy' || type.properties === undefined || path === 'resources';
      if (!isMap(value) || isWhole || value.items.length === 0) {
        found.push({ path, default: inOneLine(value), meaning: sentence(comment) });
        continue;
      }
      if (comment) found.push({ path, default: '', meaning: sentence(comment) });
      visit(value, type, `${path}.`);
    }
  };
  visit(parseDocument(read('values.yaml')).contents as YAMLMap, schema, '');
  return found;
}

function inOneLine(node: Node | null): string {
  if (node === null) return 'null';
  if (isScalar(node) && node.value === '') return "''";
  return stringify(node.toJSON(), { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false }).trim();
}

/** A comment as one line of a table. */
function sentence(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
    .trim()
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;');
}

/** The chart's README as it is, and with the values as they are now. */
export function reference(): { page: string; text: string } {
  const page = readFileSync(README, 'utf8');
  const [before, after] = [page.indexOf(MARKS[0]), page.indexOf(MARKS[1])];
  if (before < 0 || after < before) throw new Error(`${README.pathname} has no lines ${MARKS.join(' and ')}`);
  const rows = values().map(({ path, default: value, meaning }) =>
    value === '' ? `| **\`${path}\`** | | ${meaning} |` : `| \`${path}\` | \`${value}\` | ${meaning} |`,
  );
  const table = ['', '', '| Value | Default | Meaning |', '|---|---|---|', ...rows, '', ''].join('\n');
  return { page, text: page.slice(0, before) + MARKS[0] + table + page.slice(after) };
}

if (import.meta.main) writeFileSync(README, reference().text);
