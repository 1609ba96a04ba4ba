import { describe, expect, it } from '@jest/globals';
import { parseManifest } from './manifest.ts';

/** Jest's objects are of another realm. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;
const first = (text: string) => parseManifest(text, 'web.yaml')[0]!;

describe('a value is what kubectl takes it for', () => {
  // What `kubectl annotate --local -f FILE a=b -o json` 1.32 printed.
  it.each<[string, unknown]>([
    ['0644', 420],
    ['0o14', 12],
    ['08', 8],
    ['0o9', '0o9'],
    ['00_7', 7],
    ['-0644', -420],
    ['+0x1', 1],
    ['0B1', 1],
    ['0x1_F', 31],
    ['0x', '0x'],
    ['0644.5', 644.5],
    ['1_000', 1000],
    ['1_', 1],
    ['_1', '_1'],
    ['1,000', '1,000'],
    ['1:30', '1:30'],
    ['2001-01-01', '2001-01-01'],
    ['2001-01-01T00:00:00Z', '2001-01-01T00:00:00Z'],
    ['.5', 0.5],
    ['1.', 1],
    ['-1_0.5', -10.5],
    ['12e03', 12000],
    ['1e', '1e'],
    ['1e400', '1e400'],
    ['.', '.'],
    ['=', '='],
    ['10.0.0.1', '10.0.0.1'],
    ['v1.2.3', 'v1.2.3'],
    ['on', true],
    ['y', true],
    ['N', false],
    ['Off', false],
    ['TRUE', true],
    ['tRUE', 'tRUE'],
    ['"on"', 'on'],
    ["'0644'", '0644'],
    ['!!str 5', '5'],
    ['!!int "5"', 5],
    ['!!binary aGk=', 'hi'],
    ['!foo 5', '5'],
  ])('%s', (text, value) => {
    expect(first(`kind: A\nspec: ${text}\n`).object['spec']).toBe(value);
  });

  it('nothing, where it is null', () => {
    expect(plain(first('kind: A\na: ~\nb: NULL\nc:\nd: {e: null, f: [null]}\n').object)).toEqual({
      kind: 'A',
      d: { f: [null] },
    });
  });

  it('a whole number that is too large for a double, exactly', () => {
    expect(first('kind: A\nspec: 9007199254740993').object['spec']).toBe(9007199254740993n);
  });

  it('a key by what it says, and what an alias or a merge key stands for', () => {
    const text = 'kind: A\n0644: x\ntrue: z\na: &a {b: 1}\nc: *a\nd: {<<: *a, e: 2}\n';
    expect(plain(first(text).object)).toEqual({
      ...{ kind: 'A', '420': 'x', true: 'z' },
      ...{ a: { b: 1 }, c: { b: 1 }, d: { b: 1, e: 2 } },
    });
  });
});

describe('a file that cannot be read', () => {
  it.each<[string, string, RegExp]>([
    ['a syntax error', 'kind: A\n---\nkind: B\na: b: c\n', /^web\.yaml, document 2, line 4: this is not YAML: /],
    ['a key twice', 'kind: A\nkind: B\n', /document 1, line 2: kind is there twice in the same map: leave one of them/],
    ['a key in quotes twice', '{"kind": "A", "a b": 1, "a b": 2}', /document 1, line 1: "a b" is there twice/],
    ['an unknown alias', 'kind: A\na: *b\n', /document 1, line [12]: .*alias/],
    ['a list', '- a\n', /document 1, line 1: an object is expected, e\.g\. \{apiVersion: v1/],
    ['no kind', '# x\n---\na: b\n', /document [12], line 3: the object does not say its kind, e\.g\. /],
    ['infinity', 'kind: A\na: .inf\n', /document 1, line 2: .*\.inf is no number that JSON knows/],
    ['a template', 'kind: {{ .Kind }}\n', /Render it first, e\.g\. helm template CHART > rendered\.yaml$/],
  ])('%s: says where and what is allowed', (_name, text, message) => {
    expect(() => parseManifest(text, 'web.yaml')).toThrow(message);
  });

  it('is not one that expands without end', () => {
    const levels = Array.from({ length: 20 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`);
    expect(() => parseManifest(['kind: A', 'l0: &l0 [x]', ...levels].join('\n'), 'web.yaml')).toThrow(
      /document 1, line 1: Excessive alias count/,
    );
  });

  it('is not an empty one', () => {
    expect(parseManifest('', 'web.yaml')).toEqual([]);
    expect(parseManifest('# nothing\n---\n---\n# here\n', 'web.yaml')).toEqual([]);
  });
});
