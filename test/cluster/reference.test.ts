import { describe, expect, it } from '@jest/globals';
import { normalizeReference, slugOf } from './reference.ts';

describe('normalizeReference', () => {
  it.each([
    ['node:24-slim', 'docker.io/library/node:24-slim'],
    ['node', 'docker.io/library/node:latest'],
    ['tracing-acme/agent:0.1.0', 'docker.io/tracing-acme/agent:0.1.0'],
    ['docker.io/node:24', 'docker.io/library/node:24'],
    ['index.docker.io/org/app', 'docker.io/org/app:latest'],
    ['localhost/pause:1', 'localhost/pause:1'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['registry.example.com/a/b/c:v1', 'registry.example.com/a/b/c:v1'],
    ['org/app@sha256:0123', 'docker.io/org/app@sha256:0123'],
  ])('%s is %s', (short, full) => {
    expect(normalizeReference(short)).toBe(full);
    expect(normalizeReference(full)).toBe(full);
  });

  it.each(['', ' ', 'a b', '-x', 'a;b'])('refuses %j', (text) => {
    expect(() => normalizeReference(text)).toThrow('not an image reference');
  });
});

it('a slug is a file name', () => {
  expect(slugOf('docker.io/tracing-acme/agent:0.1.0')).toBe('docker.io-tracing-acme-agent-0.1.0');
});
