import { describe, expect, it } from '@jest/globals';
import { verifyIntegrity } from './npm-package.ts';
import { isNeeded } from './servers/postgres.ts';
import { isHelmNewEnough } from './tools.ts';

describe('helm on PATH', () => {
  it.each([
    ['v3.14.0+g3fc9f4b', true],
    ['v3.22.1', true],
    ['v4.1.4+g05fa379', true],
    ['v3.13.3', false],
    ['v2.17.0', false],
    ['', false],
  ])('%j is new enough: %s', (output, expected) => {
    expect(isHelmNewEnough(output)).toBe(expected);
  });
});

describe('a package from npm', () => {
  const wanted = {
    name: 'x',
    version: '1.0.0',
    integrity: 'sha512-m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==',
  };

  it('is taken when its hash is the expected one', () => {
    expect(() => verifyIntegrity(wanted, Buffer.from('hello'))).not.toThrow();
  });

  it('is refused when it is another', () => {
    expect(() => verifyIntegrity(wanted, Buffer.from('hello!'))).toThrow('x@1.0.0 is not what it was');
  });
});

it('of Debian, Postgres needs the server, libraries and time zones, not the tools', () => {
  const plan = ['libc6', 'zlib1g', 'tzdata', 'postgresql-15', 'libicu72', 'perl', 'libllvm14', 'libjson-perl', 'dpkg'];
  expect(plan.filter(isNeeded)).toEqual(['libc6', 'zlib1g', 'tzdata', 'postgresql-15', 'libicu72']);
});
