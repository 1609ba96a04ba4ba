import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { writeMounted } from './mounted.ts';
import { Operator } from './operator.ts';
import { ROOT, startServer } from './process.ts';
import { installedApp } from './app.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tracing-reports-'));
let operator: Operator;
beforeAll(async () => {
  operator = await Operator.start();
});
afterAll(async () => {
  await operator.stop();
  rmSync(scratch, { recursive: true, force: true });
});

it('a process reports no trouble with router, of which Express 5 is made and whose spans Express has', async () => {
  const spec = { sampling: { ratio: 1 }, exporters: [], propagators: ['tracecontext'], resource: { attributes: {} } };
  const document = JSON.stringify({ key: 'p.json', revision: 'r1', source: 'test', spec });
  writeMounted(scratch, { 'pod/key': 'p.json', 'p.json': document, ...operator.files });
  const app = installedApp(join(ROOT, 'test/agent/apps/signals'));
  const server = await startServer({
    args: [join(app, 'express.cjs')],
    cwd: app,
    env: { TRACING_ACME_POLICY_DIR: scratch },
  });
  try {
    const { libraries, uninstrumented } = await operator.reportOf('r1');
    expect(libraries?.map((each) => each.replace(/@.*/, ''))).toContain('express');
    expect(uninstrumented).toEqual([]);
  } finally {
    await server.stop('SIGKILL');
  }
}, 60_000);
