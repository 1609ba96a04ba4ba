import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { agentDirectory } from './agent.ts';

let root: string;
beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'find-agent-')));
  for (const directory of ['dist/agent', 'bin', 'other']) mkdirSync(join(root, directory), { recursive: true });
  writeFileSync(join(root, 'dist/agent/register.cjs'), '');
  writeFileSync(join(root, 'dist/kubectl-tracing'), '');
  writeFileSync(join(root, 'other/kubectl-tracing'), '');
  symlinkSync('../dist/kubectl-tracing', join(root, 'bin/kubectl-tracing'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

it('is beside the program, also where that is a link', () => {
  expect(agentDirectory(undefined, join(root, 'dist/kubectl-tracing'))).toBe(join(root, 'dist/agent'));
  expect(agentDirectory(undefined, join(root, 'bin/kubectl-tracing'))).toBe(join(root, 'dist/agent'));
});

it('is where it is said to be', () => {
  expect(agentDirectory(join(root, 'dist/agent'), join(root, 'other/kubectl-tracing'))).toBe(join(root, 'dist/agent'));
});

it('is said to be missing, with what to do', () => {
  expect(() => agentDirectory(undefined, join(root, 'other/kubectl-tracing'))).toThrow(
    `there is no agent in ${join(root, 'other/agent')}. make build leaves it in dist/agent: say where that is, e.g. --agent ./dist/agent`,
  );
  expect(() => agentDirectory(join(root, 'bin'), join(root, 'dist/kubectl-tracing'))).toThrow(
    `--agent ${join(root, 'bin')}: there is no register.cjs in it`,
  );
});
