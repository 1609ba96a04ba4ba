import { isDeepStrictEqual } from 'node:util';
import type { ParsedNode, YAMLMap, YAMLSeq } from 'yaml';
import { isCollection, isMap, isScalar, isSeq, stringify } from 'yaml';
import { isJson } from '../../injector/json.ts';
import { originsOf } from '../../webhook/json-patch.ts';
import type { ManifestDocument } from './manifest.ts';
import { parseManifest } from './manifest.ts';
import { OPTIONS } from './scalars.ts';

/** `text` instead of what stands from `start` to before `end`. */
export interface Splice {
  start: number;
  end: number;
  text: string;
}

/** The text has something where we have to write that cannot be added to in its place, such as an alias. */
class NotInPlace extends Error {}

/**
 * What has to be written into a file so that one of its documents says `after`: lines that are added to those of the
 * owner, whose comments, order and notation stay; but a list or map in brackets that is added to becomes one of lines. Where that
 * does not work (anchors, merge keys, a list in a new order, a comment between brackets) the document is written anew.
 */
export function edit(
  source: string,
  { node, object }: ManifestDocument,
  after: unknown,
): { splices: Splice[]; rewritten: boolean } {
  const [first, end] = [node.range[0], endOf(node)];
  if (!isCollection(node) || node.flow) {
    const flow = source.slice(first, end);
    return { splices: [{ start: first, end, text: asJson(flow, after) }], rewritten: !isJson(flow) };
  }
  const start = lineStart(source, first);
  const text = source.slice(start, nextLine(source, end));
  try {
    const editor = new Editor(source);
    editor.change(node, object, after, { column: 0, inList: false });
    const { splices } = editor;
    const local = splices.map((splice) => ({ ...splice, start: splice.start - start, end: splice.end - start }));
    // Whatever we did not think of: the text must say what was meant, or it is not used.
    const [read] = parseManifest(apply(text, local), 'result');
    if (isDeepStrictEqual(read?.object, after)) return { splices, rewritten: false };
  } catch (error) {
    if (!(error instanceof NotInPlace) && !(error instanceof Error && error.name === 'InputError')) throw error;
  }
  const ending = source[end - 1] === '\n' ? lineEnding(source) : '';
  return { splices: [{ start, end, text: lines(after, true).join(lineEnding(source)) + ending }], rewritten: true };
}

/** Makes the replacements, of which none may overlap. */
export function apply(source: string, splices: readonly Splice[]): string {
  let result = '';
  let at = 0;
  for (const { start, end, text } of [...splices].sort((a, b) => a.start - b.start)) {
    if (start < at) throw new NotInPlace();
    result += source.slice(at, start) + text;
    at = end;
  }
  return result + source.slice(at);
}

interface Place {
  /** Of the key or the dash that the value belongs to. */
  column: number;
  inList: boolean;
}

class Editor {
  readonly splices: Splice[] = [];
  readonly #source: string;
  readonly #eol: string;
  /** Whether lists stand deeper than the key they belong to. */
  readonly #indentLists: boolean;

  constructor(source: string) {
    this.#source = source;
    this.#eol = lineEnding(source);
    this.#indentLists = !/^( *)[^\s#-][^\n]*:[ \t]*\r?\n\1- /m.test(source);
  }

  change(node: ParsedNode | null, before: unknown, after: unknown, place: Place): void {
    if (before === after || isDeepStrictEqual(before, after)) return;
    if (isMap(node) && !node.flow && isRecord(before) && isRecord(after)) this.#map(node, before, after);
    else if (isSeq(node) && !node.flow && Array.isArray(before) && Array.isArray(after))
      this.#list(node, before, after);
    else if (isScalar(node) || (isCollection(node) && node.flow)) this.#replace(node, after, place);
    else throw new NotInPlace();
  }

  #map(node: YAMLMap.Parsed, before: Record<string, unknown>, after: Record<string, unknown>): void {
    const pairs = new Map(node.items.map((pair) => [String(isScalar(pair.key) ? pair.key.value : pair.key), pair]));
    const first = node.items[0]?.key;
    if (!first) throw new NotInPlace();
    const column = this.#column(first.range[0]);
    for (const key of Object.keys(before)) {
      if (key in after) continue;
      const pair = pairs.get(key);
      // The first of a list's item stands beside its dash.
      if (!pair || this.#column(pair.key.range[0]) !== this.#indentation(pair.key.range[0])) throw new NotInPlace();
      const start = lineStart(this.#source, pair.key.range[0]);
      this.splices.push({ start, end: nextLine(this.#source, endOf(pair.value ?? pair.key)), text: '' });
    }
    const added: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(after)) {
      const pair = pairs.get(key);
      if (pair && before[key] === undefined) this.#fill(pair, value, column);
      else if (pair) this.change(pair.value, before[key], value, { column, inList: false });
      else if (key in before) this.#same(before[key], value);
      else added[key] = value;
    }
    if (Object.keys(added).length > 0)
      this.#insert(nextLine(this.#source, endOf(node)), lines(added, this.#indentLists), column);
  }

  /** Gives a value to a key that has none (`labels:`, `labels: null`). */
  #fill({ key, value: nothing }: YAMLMap.Parsed['items'][number], after: unknown, column: number): void {
    const colon = this.#source.indexOf(':', key.range[1]);
    const written = nothing && nothing.range[1] > nothing.range[0];
    if (colon === -1) throw new NotInPlace();
    if (written) this.#replace(nothing, after, { column, inList: false });
    else if (isRecord(after) || Array.isArray(after))
      this.#insert(nextLine(this.#source, colon), lines(after, this.#indentLists), this.#below(after, column));
    else this.splices.push({ start: colon + 1, end: colon + 1, text: ` ${inline(after)}` });
  }

  #list(node: YAMLSeq.Parsed, before: unknown[], after: unknown[]): void {
    const origins = originsOf(before, after);
    if (!origins || node.items.length !== before.length) throw new NotInPlace();
    const column = this.#column(node.range[0]);
    let next = 0;
    for (const [i, origin] of origins.entries()) {
      if (origin === undefined) {
        const follower = node.items[next];
        const at = follower
          ? this.#aboveComments(lineStart(this.#source, follower.range[0]))
          : nextLine(this.#source, endOf(node));
        const [head = '', ...rest] = lines(after[i], this.#indentLists);
        this.#insert(at, [`- ${head}`, ...rest.map((line) => `  ${line}`)], column);
      } else {
        next = origin + 1;
        this.change(node.items[origin] ?? null, before[origin], after[i], { column, inList: true });
      }
    }
  }

  #replace(node: ParsedNode, after: unknown, { column, inList }: Place): void {
    let [start, end] = [node.range[0], node.range[1]];
    if (isCollection(node) && hasComment(this.#source.slice(start, end))) throw new NotInPlace();
    const closing = this.#source.slice(start, end).endsWith('\n') ? this.#eol : '';
    if (!isRecord(after) && !Array.isArray(after)) {
      this.splices.push({ start, end, text: inline(after) + closing });
      return;
    }
    const body = lines(after, this.#indentLists);
    if (inList) {
      const indent = ' '.repeat(column + 2);
      this.splices.push({ start, end, text: body.join(this.#eol + indent) + closing });
      return;
    }
    while (this.#source[start - 1] === ' ') start--;
    while (this.#source[end] === ' ' && /^ *\r?\n/.test(this.#source.slice(end, end + 80))) end++;
    const indent = ' '.repeat(this.#below(after, column));
    this.splices.push({ start, end, text: body.map((line) => this.#eol + indent + line).join('') + closing });
  }

  /** The column of a value that stands below its key. */
  #below(value: unknown, column: number): number {
    return column + (Array.isArray(value) && !this.#indentLists ? 0 : 2);
  }

  /** What comes by a merge key is written elsewhere. */
  #same(before: unknown, after: unknown): void {
    if (!isDeepStrictEqual(before, after)) throw new NotInPlace();
  }

  #insert(at: number, added: string[], column: number): void {
    const indent = ' '.repeat(column);
    const text = added.map((line) => (line === '' ? line : indent + line) + this.#eol).join('');
    const isEnd = at > 0 && this.#source[at - 1] !== '\n';
    this.splices.push({ start: at, end: at, text: isEnd ? this.#eol + text.slice(0, -this.#eol.length) : text });
  }

  #column(offset: number): number {
    return offset - lineStart(this.#source, offset);
  }

  #indentation(offset: number): number {
    const line = this.#source.slice(lineStart(this.#source, offset));
    return line.length - line.trimStart().length;
  }

  /** Comments above an item are about that item. */
  #aboveComments(start: number): number {
    let at = start;
    while (at > 0) {
      const previous = lineStart(this.#source, at - 1);
      if (!/^\s*#/.test(this.#source.slice(previous, at))) break;
      at = previous;
    }
    return at;
  }
}

function lineStart(source: string, offset: number): number {
  return source.lastIndexOf('\n', offset - 1) + 1;
}

/** The beginning of the next line; a block of text ends with its own. */
function nextLine(source: string, offset: number): number {
  if (source[offset - 1] === '\n') return offset;
  const end = source.indexOf('\n', offset);
  return end === -1 ? source.length : end + 1;
}

/** Where the text of a node ends, without the comment and the blank lines after it. */
function endOf(node: ParsedNode): number {
  if (!isCollection(node) || node.flow) return node.range[1];
  const last: unknown = node.items.at(-1);
  if (isMap(node)) {
    const pair = last as YAMLMap.Parsed['items'][number] | undefined;
    if (!pair) return node.range[1];
    return pair.value ? Math.max(endOf(pair.value), pair.key.range[1]) : pair.key.range[1];
  }
  return last ? endOf(last as ParsedNode) : node.range[1];
}

/** Of a list or map in brackets: quoted text may have the same sign in it. */
function hasComment(flow: string): boolean {
  return /\s#/.test(flow.replace(/"(\\.|[^"\\])*"|'[^']*'/g, ''));
}

function lines(value: unknown, indentSeq: boolean): string[] {
  return stringify(value, { ...OPTIONS, indentSeq })
    .replace(/\n$/, '')
    .split('\n');
}

/** A word, a number or a text, on one line. */
function inline(value: unknown): string {
  return typeof value === 'string' && /[\r\n]/.test(value) ? JSON.stringify(value) : lines(value, true)[0]!;
}

function lineEnding(source: string): string {
  return /\r\n/.test(source) ? '\r\n' : '\n';
}

/** JSON has no comments to keep: it is written anew, indented as it was. */
function asJson(before: string, value: unknown): string {
  const indent = /^[{[]\r?\n([ \t]+)/.exec(before)?.[1];
  // JSON.stringify does not take what is too large for a number.
  const big = '\u0000';
  const text = JSON.stringify(
    value,
    (_key, child: unknown) => (typeof child === 'bigint' ? `${big}${child}` : child),
    indent,
  ).replace(/"\\u0000(-?\d+)"/g, '$1');
  return before.includes('\r\n') ? text.replaceAll('\n', '\r\n') : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
