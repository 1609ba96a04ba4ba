import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CredentialDirectory, isCredentialPath } from './credentials.ts';

let path: string;
let version = 0;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'credentials-'));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

/** As the kubelet does: a new folder, then the link is swapped. */
function put(files: Record<string, string>): void {
  const folder = `..${++version}`;
  mkdirSync(join(path, folder));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, folder, name)), { recursive: true });
    writeFileSync(join(path, folder, name), text);
  }
  symlinkSync(folder, join(path, '..next'));
  renameSync(join(path, '..next'), join(path, '..data'));
}
const refreshed = (directory: CredentialDirectory) => new Promise<boolean>((done) => directory.refresh(done));

const files = { headers: { 'x-key': 'secret/collector/key' }, ca: 'config-map/ca/ca.crt' };
const PEM = '-----BEGIN CERTIFICATE-----\n…';

describe('CredentialDirectory', () => {
  it('reads what is asked for, without the line end of a header', () => {
    put({ 'secret/collector/key': 'abc\n', 'config-map/ca/ca.crt': PEM });
    expect(new CredentialDirectory(path).get(files)).toEqual({ headers: { 'x-key': 'abc' }, ca: PEM });
  });

  it('is the same object until something changes, and says when that is', async () => {
    put({ 'secret/collector/key': 'one', 'config-map/ca/ca.crt': PEM });
    const directory = new CredentialDirectory(path);
    const first = directory.get(files);
    expect(await refreshed(directory)).toBe(false);
    expect(directory.get({ ...files })).toBe(first);
    put({ 'secret/collector/key': 'two', 'config-map/ca/ca.crt': PEM });
    expect(directory.get(files)).toBe(first);
    expect(await refreshed(directory)).toBe(true);
    expect(directory.get(files)).toMatchObject({ headers: { 'x-key': 'two' } });
    expect(await refreshed(directory)).toBe(false);
  });

  it('says what is missing, and finds it when it comes', async () => {
    put({});
    const directory = new CredentialDirectory(path);
    expect(directory.get(files)).toMatch(/^it needs key key of Secret collector, which is not there: make it/);
    put({ 'secret/collector/key': 'abc' });
    await refreshed(directory);
    expect(directory.get(files)).toMatch(/^it needs key ca\.crt of ConfigMap ca, which is not there/);
    put({ 'secret/collector/key': 'abc', 'config-map/ca/ca.crt': PEM });
    await refreshed(directory);
    expect(directory.get(files)).toMatchObject({ headers: { 'x-key': 'abc' } });
  });

  it.each([
    ['an empty header', { 'secret/collector/key': '\n', 'config-map/ca/ca.crt': PEM }, /key key of Secret.* one line/],
    ['two lines', { 'secret/collector/key': 'a\r\nb: c', 'config-map/ca/ca.crt': PEM }, /one line/],
    [
      'no PEM',
      { 'secret/collector/key': 'a', 'config-map/ca/ca.crt': 'MIIB' },
      /key ca\.crt of ConfigMap ca is not PEM/,
    ],
  ])('does not take %s', (_name, content, message) => {
    put(content);
    expect(new CredentialDirectory(path).get(files)).toMatch(message);
  });

  it('says so where the pod has none', async () => {
    const directory = new CredentialDirectory(undefined);
    expect(directory.get(files)).toMatch(/which this pod was made without: restart the pod$/);
    expect(await refreshed(directory)).toBe(false);
  });

  it('never shows a value in what it says', () => {
    put({ 'secret/collector/key': 'hunter2\nhunter2', 'config-map/ca/ca.crt': 'hunter2' });
    expect(new CredentialDirectory(path).get(files)).not.toMatch(/hunter2/);
    expect(new CredentialDirectory(path).get({ headers: {}, ca: 'config-map/ca/ca.crt' })).not.toMatch(/hunter2/);
  });
});

describe('isCredentialPath', () => {
  it.each(['secret/a/b', 'config-map/a.b/c_d', 'secret/a/.dockerconfigjson', 'secret/a/b..c'])('takes %s', (value) =>
    expect(isCredentialPath(value)).toBe(true),
  );
  it.each([
    ...['secret/../b', 'secret/a/..', '../policy/token', '/etc/passwd', 'secret/a', 'secret/a/b/c', 'other/a/b', ''],
    ...['secret/./b', 'secret/a/b\0', 7, undefined],
  ])('refuses %j', (value) => expect(isCredentialPath(value)).toBe(false));
});
