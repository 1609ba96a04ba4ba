import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { outside, outsideEnvironment } from './outside.ts';

describe('the network outside the cluster', () => {
  const before = process.env['TRACING_OUTSIDE_NETWORK'];
  beforeEach(() => {
    delete process.env['TRACING_OUTSIDE_NETWORK'];
  });
  afterEach(() => {
    if (before === undefined) delete process.env['TRACING_OUTSIDE_NETWORK'];
    else process.env['TRACING_OUTSIDE_NETWORK'] = before;
  });

  it('is where we are, if we are not inside', () => {
    expect(outside('npm', ['pack'])).toEqual(['npm', ['pack']]);
  });

  it('is that of the process that started us inside, however deep', () => {
    process.env['TRACING_OUTSIDE_NETWORK'] = '/proc/12/ns/net';
    expect(outside('npm', ['pack'])).toEqual(['nsenter', ['--net=/proc/12/ns/net', 'npm', 'pack']]);
    expect(outsideEnvironment()).toEqual({ TRACING_OUTSIDE_NETWORK: '/proc/12/ns/net' });
  });
});
