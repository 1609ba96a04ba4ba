import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { checkStated, checkVersion, notesOf, statedVersions } from './version.ts';

const CHECKOUT = resolve(import.meta.dirname, '..');

describe('the version of a release', () => {
  it.each(['0.1.0', '1.20.3', '0.2.0-rc.1'])('may be %s', (version) => {
    expect(() => checkVersion(version)).not.toThrow();
  });

  it.each(['v0.1.0', '0.1', '01.2.3', '1.0.0+build', '', 'latest', '1.0.0-'])('may not be "%s"', (version) => {
    expect(() => checkVersion(version)).toThrow(/is no version: .*e\.g\. 0\.1\.0/);
  });

  it('is the same wherever this checkout says it', () => {
    const stated = statedVersions(CHECKOUT);
    expect(stated.size).toBe(4);
    const [version] = stated.values();
    expect(() => checkStated(String(version), stated)).not.toThrow();
  });

  it('is refused where the checkout says another, with the places', () => {
    const stated = new Map([
      ['version in package.json', '0.2.0'],
      ['appVersion in Chart.yaml', '0.1.0'],
    ]);
    expect(() => checkStated('0.2.0', stated)).toThrow(
      'the release is 0.2.0, but\n  appVersion in Chart.yaml is 0.1.0\nSet these to 0.2.0, and commit.',
    );
  });
});

describe('the notes of a release', () => {
  const changelog =
    '# Changelog\n\nWords.\n\n## Unreleased: 0.3.0\n\n- c\n\n## 0.2.0 (2027-02-01)\n\n- b\n- bb\n\n## 0.1.0\n\n';

  it('are what is under its heading', () => {
    expect(notesOf(changelog, '0.2.0')).toBe('- b\n- bb');
  });

  it.each([
    ['0.3.0', /still says "## Unreleased: 0\.3\.0".*e\.g\. "## 0\.3\.0 \(/],
    ['0.1.0', /says nothing under "## 0\.1\.0"/],
    ['0.2', /no heading for 0\.2, e\.g\./],
  ])('of %s are missing', (version, message) => {
    expect(() => notesOf(changelog, version)).toThrow(message);
  });
});
