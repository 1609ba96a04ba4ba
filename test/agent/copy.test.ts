import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ROOT, agentDirectory, runNode } from './process.ts';

const PROGRAM = join(ROOT, 'injector/agent/copy.sh');
let target: string;
beforeEach(() => {
  target = mkdtempSync(join(tmpdir(), 'tracing-copy-'));
  chmodSync(target, 0o777);
});
afterEach(() => rmSync(target, { recursive: true, force: true }));

/** Runs the init container's program by busybox's shell where there is one, as a user that owns nothing. */
function copy(source = agentDirectory()): { status: number | null; stdout: string; stderr: string } {
  const shell = existsSync('/usr/bin/busybox') || existsSync('/bin/busybox') ? ['busybox', 'sh'] : ['sh'];
  const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups'] : [];
  const [command = '', ...args] = [...asNobody, ...shell, PROGRAM, target];
  return spawnSync(command, args, { encoding: 'utf8', env: { PATH: process.env['PATH'], AGENT_SOURCE: source } });
}

describe('the init container', () => {
  it('copies everything, whole and readable by any user, and says what it took', async () => {
    const ended = copy();
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    expect(ended.stdout).toMatch(new RegExp(`^agent copied to ${target}: \\d+ files, \\d+ bytes, \\d+ ms\n$`));
    expect(readdirSync(target).sort()).toEqual(readdirSync(agentDirectory()).sort());
    for (const file of readdirSync(target)) {
      expect(readFileSync(join(target, file)).equals(readFileSync(join(agentDirectory(), file)))).toBe(true);
      expect(statSync(join(target, file)).mode & 0o777).toBe(0o644);
    }
    const run = await runNode({
      args: ['-p', '1'],
      agent: false,
      env: { NODE_OPTIONS: `--require ${target}/register.cjs` },
    });
    expect(run).toMatchObject({ code: 0, stdout: '1\n', stderr: '' });
  });

  it('changes nothing when the agent is there already, and repairs what is damaged', () => {
    copy();
    const before = statSync(join(target, 'register.cjs')).ino;
    expect(copy()).toMatchObject({ status: 0, stdout: `agent already complete in ${target}\n` });
    expect(statSync(join(target, 'register.cjs')).ino).toBe(before);
    rmSync(join(target, 'agent.pack'));
    expect(copy().status).toBe(0);
    expect(existsSync(join(target, 'agent.pack'))).toBe(true);
  });

  it('leaves something harmless when what it copied is not what was built: the app starts', async () => {
    const damaged = mkdtempSync(join(tmpdir(), 'tracing-damaged-'));
    chmodSync(damaged, 0o755);
    cpSync(agentDirectory(), damaged, { recursive: true });
    writeFileSync(join(damaged, 'agent.pack'), 'short');
    expect(copy(damaged)).toMatchObject({ status: 0, stderr: expect.stringContaining('checksums') });
    const run = await runNode({
      args: ['-p', '1'],
      agent: false,
      env: { NODE_OPTIONS: `--require ${target}/register.cjs` },
    });
    expect(run).toMatchObject({ code: 0, stdout: '1\n', stderr: '' });
    rmSync(damaged, { recursive: true });
  });
});

it('stays within its size: 20 files, 3 MB', () => {
  const files = readdirSync(agentDirectory());
  expect(files.length).toBeLessThanOrEqual(20);
  const bytes = files.reduce((sum, file) => sum + statSync(join(agentDirectory(), file)).size, 0);
  expect(bytes).toBeLessThanOrEqual(3_000_000);
});
