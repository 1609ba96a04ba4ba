import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parsePolicyDocument, PolicyDirectory } from './policy.ts';

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'policy-'));
  mkdirSync(join(path, 'pod'));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

const put = (name: string, content: string): void => writeFileSync(join(path, name), content);
const document = (ratio: unknown, key = 'policy.a.json'): string =>
  JSON.stringify({ key, revision: 'r', source: 's', spec: { sampling: { ratio }, exporters: [], propagators: [] } });
const ratioOf = (state: ReturnType<PolicyDirectory['read']>): unknown =>
  state.kind === 'policy' ? state.spec.sampling?.ratio : state.kind;

describe('PolicyDirectory', () => {
  it('knows nothing of an empty or missing directory', () => {
    expect(new PolicyDirectory(path).read()).toEqual({ kind: 'unknown' });
    expect(new PolicyDirectory(`${path}/missing`).read()).toEqual({ kind: 'unknown' });
  });

  it('prefers the document of the ConfigMap to the embedded one', () => {
    put('pod/key', 'policy.a.json\n');
    put('pod/document', document(0.1));
    const directory = new PolicyDirectory(path);
    expect(ratioOf(directory.read())).toBe(0.1);
    put('policy.a.json', document(0.2));
    expect(ratioOf(directory.read())).toBe(0.2);
  });

  it('does not take an embedded document of another key', () => {
    put('pod/key', 'policy.b.json');
    put('pod/document', document(0.1, 'policy.a.json'));
    expect(new PolicyDirectory(path).read()).toEqual({ kind: 'unknown' });
  });

  it('keeps the last good document when a broken one comes', () => {
    put('pod/key', 'policy.a.json');
    put('policy.a.json', document(0.3));
    const directory = new PolicyDirectory(path);
    expect(ratioOf(directory.read())).toBe(0.3);
    for (const broken of ['', '{', '[]', 'null', document('half'), document(2), document(undefined)]) {
      put('policy.a.json', broken);
      expect(ratioOf(directory.read())).toBe(0.3);
    }
    rmSync(join(path, 'policy.a.json'));
    expect(ratioOf(directory.read())).toBe(0.3);
  });

  it('does not go back to the older embedded one when the ConfigMap breaks or goes', () => {
    put('pod/key', 'policy.a.json');
    put('pod/document', document(0.1));
    const directory = new PolicyDirectory(path);
    put('policy.a.json', document(0.3));
    expect(ratioOf(directory.read())).toBe(0.3);
    put('policy.a.json', '{');
    expect(ratioOf(directory.read())).toBe(0.3);
    rmSync(join(path, 'policy.a.json'));
    expect(ratioOf(directory.read())).toBe(0.3);
  });

  it('is off with the key `none`, and on again with another', () => {
    put('pod/key', 'none');
    const directory = new PolicyDirectory(path);
    expect(directory.read()).toEqual({ kind: 'none' });
    put('pod/key', 'policy.a.json');
    put('policy.a.json', document(1));
    expect(ratioOf(directory.read())).toBe(1);
  });

  it.each(['../pod/document', 'a/b', '..data'])('does not follow a key that leads elsewhere: %s', (key) => {
    put('pod/key', key);
    expect(new PolicyDirectory(path).read()).toEqual({ kind: 'unknown' });
  });

  it('notices changes without kubelet’s link, too', async () => {
    const directory = new PolicyDirectory(path);
    const changed = (): Promise<boolean> => new Promise((resolve) => directory.whenChanged(resolve));
    directory.read();
    expect(await changed()).toBe(false);
    put('pod/key', 'policy.a.json');
    expect(await changed()).toBe(true);
    directory.read();
    expect(await changed()).toBe(false);
    put('policy.a.json', document(1));
    expect(await changed()).toBe(true);
  });
});

describe('parsePolicyDocument', () => {
  it.each([
    [{ keep: {} }, 'sampling.keep'],
    [{ keep: { slowerThanMillis: '2s' } }, 'slowerThanMillis'],
    [{ force: { maxPerSecond: 1 } }, 'sampling.force'],
    [{ force: { header: 'x', maxPerSecond: 0 } }, 'sampling.force'],
  ])('names what is wrong with %j', (wrong, said) => {
    const text = (sampling: object) => JSON.stringify({ spec: { sampling: { ratio: 1, ...sampling }, exporters: [] } });
    expect(() => parsePolicyDocument(text(wrong))).toThrow(said);
    expect(() => parsePolicyDocument(text({ keep: { errors: true, later: 1 } }))).not.toThrow();
  });

  it('names what is wrong with an exporter', () => {
    const withExporter = (exporter: object): string =>
      JSON.stringify({ key: 'k', spec: { sampling: { ratio: 1 }, exporters: [exporter], propagators: [] } });
    expect(() => parsePolicyDocument(withExporter({ protocol: 'udp', endpoint: 'http://a' }))).toThrow('protocol');
    expect(() => parsePolicyDocument(withExporter({ protocol: 'grpc', endpoint: 'ftp://a' }))).toThrow('endpoint');
  });

  it('refuses signals that are neither on nor off', () => {
    const withSignals = (signals: unknown): string =>
      JSON.stringify({
        key: 'k',
        revision: 'r',
        source: 's',
        spec: { sampling: { ratio: 1 }, exporters: [], signals },
      });
    expect(() => parsePolicyDocument(withSignals({ metrics: 'yes' }))).toThrow('spec.signals.metrics is not');
    expect(parsePolicyDocument(withSignals({ metrics: true, profiles: true }))).toBeDefined();
  });

  it('names what is wrong with what shapes spans, and takes what it does not know', () => {
    const withSpec = (spec: object): string =>
      JSON.stringify({ key: 'k', spec: { sampling: { ratio: 1 }, exporters: [], ...spec } });
    const refused: [object, string][] = [
      [{ baggage: { allow: 'tenant' } }, 'baggage.allow is not a list'],
      [{ instrumentations: {} }, 'instrumentations is not a list'],
      [{ instrumentations: [{ enabled: true }] }, 'one has no name'],
      [{ instrumentations: [{ name: 'pg', enabled: 'no' }] }, 'enabled is neither true nor false'],
      [{ instrumentations: [{ name: 'http', captureRequestHeaders: [1] }] }, 'captureRequestHeaders is not a list'],
    ];
    for (const [spec, reason] of refused) expect(() => parsePolicyDocument(withSpec(spec))).toThrow(reason);
    const later = { baggage: {}, instrumentations: [{ name: 'later', moonPhase: 'full' }], spanNames: 'Later' };
    expect(parsePolicyDocument(withSpec(later)).spec).toMatchObject(later);
  });
});
