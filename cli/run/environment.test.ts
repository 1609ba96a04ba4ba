import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serviceName, tracedEnvironment } from './environment.ts';

describe('the environment of a traced command', () => {
  const own = { agent: '/opt/agent', policyDirectory: '/tmp/p', service: '@shop/order, 2' };

  it('has what the webhook puts into a container, besides what was there', () => {
    expect(tracedEnvironment({ PATH: '/bin', NODE_OPTIONS: '--max-old-space-size=64' }, own)).toEqual({
      PATH: '/bin',
      NODE_OPTIONS: '--require /opt/agent/register.cjs --max-old-space-size=64',
      TRACING_ACME_POLICY_DIR: '/tmp/p',
      TRACING_ACME_RESOURCE: 'service.name=%40shop%2Forder%2C%202',
    });
  });

  it('quotes a path as Node.js reads it', () => {
    const { NODE_OPTIONS } = tracedEnvironment({}, { ...own, agent: '/my "own" files' });
    expect(NODE_OPTIONS).toBe('--require "/my \\"own\\" files/register.cjs"');
  });
});

describe('the name of a service', () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'service-name-'));
    mkdirSync(join(root, 'order/src'), { recursive: true });
    mkdirSync(join(root, 'plain'));
    mkdirSync(join(root, 'broken'));
    writeFileSync(join(root, 'order/package.json'), '{"name": "order"}');
    writeFileSync(join(root, 'broken/package.json'), '{');
    for (const file of ['order/src/main.ts', 'plain/worker.mjs', 'broken/app.js']) writeFileSync(join(root, file), '');
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it.each([
    ['its package', ['node', 'order/src/main.ts'], '.', 'order'],
    ['the package of the directory', ['npm', 'start'], 'order/src', 'order'],
    ['its script', ['node', '--inspect', 'worker.mjs'], 'plain', 'worker'],
    ['its script, where the package cannot be read', ['node', 'app.js'], 'broken', 'app'],
    ['its directory', ['sh', '-c', 'node worker.mjs'], 'plain', 'plain'],
  ])('is that of %s', (_what, command, directory, name) => {
    expect(serviceName(command, join(root, directory))).toBe(name);
  });
});
