import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeBinary, NODE_LINES } from '../../injector/agent/runtimes/index.ts';

let base: string | undefined;

/** Builds the agent once for all suites, into a folder of its own, and makes sure of the Node binaries. */
export default function setup(): void {
  for (const line of NODE_LINES) nodeBinary(line);
  if (process.env['AGENT_DIR']) return;
  base = mkdtempSync(join(tmpdir(), 'tracing-agent-'));
  // The agent is read by processes of any user, in pods and in tests.
  chmodSync(base, 0o755);
  const directory = join(base, 'agent');
  const build = spawnSync(process.execPath, [join(import.meta.dirname, '../../injector/agent/build.ts'), directory], {
    encoding: 'utf8',
  });
  if (build.status !== 0) throw new Error(`the agent does not build:\n${build.stdout}${build.stderr}`);
  process.env['AGENT_DIR'] = directory;
  process.on('exit', () => base && rmSync(base, { recursive: true, force: true }));
}
