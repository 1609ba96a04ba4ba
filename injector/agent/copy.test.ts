import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const SCRIPT = fileURLToPath(new URL('copy.sh', import.meta.url));

describe('the init container', () => {
  let folder: string;
  let source: string;
  let target: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'copy-test-'));
    source = join(folder, 'agent');
    target = join(folder, 'target');
    mkdirSync(source);
    mkdirSync(target);
    const files = { 'agent.pack': 'the agent', 'register.cjs': 'the entry' };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(source, name), text);
    const line = ([name, text]: [string, string]) => `${createHash('sha256').update(text).digest('hex')}  ${name}\n`;
    writeFileSync(join(source, 'SHA256SUMS'), Object.entries(files).map(line).join(''));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const run = () =>
    spawnSync('sh', [SCRIPT, target], { env: { ...process.env, AGENT_SOURCE: source }, encoding: 'utf8' });
  const entry = () => readFileSync(join(target, 'register.cjs'), 'utf8');

  it('copies all of it, and says how much', () => {
    const { status, stdout } = run();
    expect(status).toBe(0);
    expect(stdout).toMatch(/^agent copied to .*: 3 files, \d+ bytes, \d+0 ms\n$/);
    expect(readdirSync(target).sort()).toEqual(['SHA256SUMS', 'agent.pack', 'register.cjs']);
    expect(entry()).toBe('the entry');
  });

  it('changes nothing the second time, and mends what is damaged', () => {
    run();
    expect(run().stdout).toMatch(/already complete/);
    appendFileSync(join(target, 'agent.pack'), 'x');
    expect(run().stdout).toMatch(/agent copied/);
    expect(readFileSync(join(target, 'agent.pack'), 'utf8')).toBe('the agent');
  });

  it.each([
    ['a file of the image is damaged', () => appendFileSync(join(source, 'agent.pack'), 'x'), /checksums/],
    ['the image has no files', () => rmSync(source, { recursive: true }), /agent not copied/],
  ])('lets the app start untraced where %s', (_name, damage, message) => {
    damage();
    const { status, stderr } = run();
    expect(status).toBe(0);
    expect(stderr).toMatch(message);
    expect(entry()).toBe('');
    expect(readdirSync(target)).toEqual(['register.cjs']);
  });

  it('fails only where not even an empty file can be written', () => {
    rmSync(target, { recursive: true });
    expect(run().status).not.toBe(0);
    expect(existsSync(target)).toBe(false);
  });
});
