import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PolicyDirectory as AsAgentReadsIt } from '../../injector/agent/policy.ts';
import { defaultLocalDocument } from './local-policy.ts';
import { PolicyDirectory } from './policy-directory.ts';

const DOCUMENT = defaultLocalDocument({ protocol: 'http/json', endpoint: 'http://127.0.0.1:4318' });

describe('a policy directory of this machine', () => {
  let directory: PolicyDirectory;
  beforeEach(() => {
    directory = new PolicyDirectory(DOCUMENT);
  });
  afterEach(() => directory.remove());

  it('is read by an agent as that of a pod', () => {
    expect(new AsAgentReadsIt(directory.path).read()).toMatchObject({ kind: 'policy', spec: DOCUMENT.spec });
  });

  it('does not take for read what nobody has read, and knows when an agent has', () => {
    // Undefined where the file system keeps no such times.
    const before = directory.wasRead;
    expect(before).not.toBe(true);
    new AsAgentReadsIt(directory.path).read();
    expect(directory.wasRead).toBe(before === undefined ? undefined : true);
  });

  it('leaves nothing', () => {
    expect(readFileSync(join(directory.path, 'pod/key'), 'utf8')).toBe('policy.json');
    directory.remove();
    expect(existsSync(directory.path)).toBe(false);
  });
});
