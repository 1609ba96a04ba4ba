import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { dump } from 'js-yaml';
import { apply, edit } from './edit.ts';
import { parseManifest } from './manifest.ts';

type Changed = Record<string, unknown>;

/** `structuredClone` would make objects of another realm than the code under test has. */
function clone(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clone);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, clone(child)]));
}

function edited(text: string, change: (object: Changed) => void) {
  const [document] = parseManifest(text, 'a.yaml');
  const after = clone(document!.object) as Changed;
  change(after);
  const { splices, rewritten } = edit(text, document!, after);
  const result = apply(text, splices);
  const [read] = parseManifest(result, 'result');
  expect(isDeepStrictEqual(read?.object, after)).toBe(true);
  return { result, rewritten };
}

/** What of the lines before is not there, in order, afterwards. */
function lost(before: string, after: string): string[] {
  const rest = after.split('\n');
  return before.split('\n').filter((line) => {
    const at = rest.indexOf(line);
    if (at !== -1) rest.splice(0, at + 1);
    return at === -1;
  });
}

const POD = `# a pod
kind: Pod   # of mine
metadata:
  name: web
  labels: # none
spec:
  containers:
    # the app
    - name: app
      env:
        - name: A
          value: "on" # quoted
        # where the options come from
        - name: NODE_OPTIONS
          valueFrom:
            configMapKeyRef: { name: c, key: k }
        - name: B
          value: |
            x

    # trailing
`;

describe('an edited document', () => {
  it('keeps each line of the owner, with comments, where it is added to', () => {
    const { result, rewritten } = edited(POD, (pod) => {
      const { metadata, spec } = pod as { metadata: Changed; spec: Changed & { containers: Changed[] } };
      metadata['labels'] = { 'a/b': 'true' };
      metadata['annotations'] = { json: '{"a":["b"]}', empty: '', number: '1e3' };
      const [app] = spec.containers as [Changed & { env: Changed[] }];
      const { env } = app;
      env.splice(1, 1, { name: 'ORIGINAL', valueFrom: env[1]!['valueFrom'] }, { name: 'NODE_OPTIONS', value: '-r x' });
      env.push({ name: 'LAST', value: 'two\nlines' });
      app['volumeMounts'] = [{ name: 'v', mountPath: '/v' }];
      spec.containers.unshift({ name: 'before' });
      spec.containers.push({ name: 'after' });
      spec['volumes'] = [{ name: 'v', emptyDir: {} }];
    });
    expect(rewritten).toBe(false);
    expect(lost(POD, result)).toEqual(['          valueFrom:', '            configMapKeyRef: { name: c, key: k }']);
    // A comment stays with the item that it stood above.
    expect(result).toContain('# where the options come from\n        - name: NODE_OPTIONS');
    expect(result).toContain('# the app\n    - name: app');
  });

  it('has lists as deep as the owner has them, and ends lines as he does', () => {
    const text = 'kind: Pod\r\nspec:\r\n  containers:\r\n  - name: app\r\n';
    const { result } = edited(text, ({ spec }) => {
      (spec as Changed)['volumes'] = [{ name: 'v', emptyDir: {} }];
    });
    expect(result).toBe(`${text}  volumes:\r\n  - name: v\r\n    emptyDir: {}\r\n`);
  });

  it('does without a line ending at its end', () => {
    expect(edited('kind: Pod\nspec:\n  a: 1', ({ spec }) => ((spec as Changed)['b'] = 2)).result).toBe(
      'kind: Pod\nspec:\n  a: 1\n  b: 2',
    );
  });

  it('leaves the documents around it alone', () => {
    const around = '%YAML 1.2\n---\nkind: A # a\n...\n# between\n---\nkind: B\n---\nkind: C';
    const documents = parseManifest(around, 'a.yaml');
    const { splices } = edit(around, documents[1]!, { kind: 'B', more: [1] });
    expect(apply(around, splices)).toBe(around.replace('kind: B\n', 'kind: B\nmore:\n  - 1\n'));
  });

  it('of JSON stays JSON, indented as it was, with numbers of any size', () => {
    const text = '{\n    "kind": "Pod",\n    "a": 9007199254740993\n}\n';
    const { result, rewritten } = edited(text, (pod) => (pod['b'] = [true]));
    expect(result).toBe('{\n    "kind": "Pod",\n    "a": 9007199254740993,\n    "b": [\n        true\n    ]\n}\n');
    expect(rewritten).toBe(false);
    expect(edited('{"kind":"Pod"}', (pod) => (pod['b'] = 1)).result).toBe('{"kind":"Pod","b":1}');
  });

  it.each([
    ['an alias stands for what changes', 'kind: A\na: &a\n  b: 1\nc: *a\n', 'c'],
    ['what changes has an alias elsewhere', 'kind: A\nc: &a\n  b: 1\nd: *a\n', 'c'],
    ['a merge key brings it', 'kind: A\na: &a\n  b: 1\nc:\n  <<: *a\n  d: 1\n', 'c'],
  ])('is written anew where %s', (_why, text, key) => {
    const { result, rewritten } = edited(`# comment\n${text}`, (object) => ((object[key] as Changed)['b'] = 2));
    expect(rewritten).toBe(true);
    expect(result.startsWith('# comment\n')).toBe(true);
  });

  it('says what was meant, whatever it and the change are', () => {
    const leaf = fc.oneof(
      fc.constantFrom('', 'on', '0644', '1:30', 'null', ' a', 'a: b', '# c', '- d', '{', '*x', 'a\nb\n', '1_0', '~'),
      fc.string({ maxLength: 8 }),
      fc.integer(),
      fc.boolean(),
    );
    const key = fc.constantFrom('a', 'b', 'name', 'x/y', '0', 'on');
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(key, tie('value'), { maxKeys: 4 }),
      ),
    }));
    const object = fc.dictionary(key, value, { maxKeys: 4 });
    const style = fc.record({ flowLevel: fc.constantFrom(-1, 2, 3), seqNoIndent: fc.boolean() });
    fc.assert(
      fc.property(object, object, style, (before, after, options) => {
        const plain = (made: unknown) => JSON.parse(JSON.stringify(made)) as Changed;
        const text = `# first\n${dump(plain({ kind: 'A', ...before }), { ...options, noRefs: true })}# last\n`;
        const { result } = edited(text, (made) => {
          for (const name of Object.keys(made)) delete made[name];
          // Half of what there was stays.
          Object.assign(made, plain({ kind: 'A', ...before, ...after }));
        });
        expect(result.startsWith('# first\n')).toBe(true);
        expect(result.endsWith('# last\n')).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
