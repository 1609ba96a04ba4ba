import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ENDINGS, type Ending } from './endings.ts';
import { runNode, type Ended } from './process.ts';
import { Sink } from './sink.ts';

let sink: Sink;
let scratch: string;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'tracing-endings-'));
  writeFileSync(join(scratch, 'thrower.cjs'), `exports.a = 1;\nthrow new RangeError('from a file');\n`);
  sink = await Sink.start();
});
afterAll(async () => {
  await sink.stop();
  rmSync(scratch, { recursive: true, force: true });
});

async function run(ending: Ending, line: string, agent: boolean): Promise<Ended> {
  const file = join(scratch, `program.${ending.module ?? 'cjs'}`);
  writeFileSync(file, ending.source);
  const ended = await runNode({
    line,
    agent,
    args: [...(ending.nodeFlags ?? []), ...(ending.args ?? [file])],
    cwd: scratch,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_SERVICE_NAME: 'endings' },
    stdin: ending.stdin ?? '',
    during: async (child) => {
      if (!ending.signal && !ending.closeStdout) return;
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      if (ending.signal) child.kill(ending.signal);
      if (ending.closeStdout) child.stdout?.destroy();
    },
  });
  // How much gets through before the pipe is closed is chance.
  return ending.closeStdout ? { ...ended, stdout: ended.stdout.split('\n', 1)[0] ?? '' } : ended;
}

/** What differs between any two runs: process ids, and the addresses in the native stack of an abort. */
const plain = (text: string): string =>
  text.replaceAll(/\(node:\d+\)/g, '(node:PID)').replaceAll(/\b0x[0-9a-f]+\b/g, 'ADDRESS');

describe.each(['20', '24'])('on Node %s a program ends as without us when it', (line) => {
  it.each(ENDINGS.map((ending) => [ending.name, ending] as const))('%s', async (_name, ending) => {
    const bare = await run(ending, line, false);
    const traced = await run(ending, line, true);
    expect({
      code: traced.code,
      signal: traced.signal,
      stdout: plain(traced.stdout),
      stderr: plain(traced.stderr),
    }).toEqual({
      code: bare.code,
      signal: bare.signal,
      stdout: plain(bare.stdout),
      stderr: plain(bare.stderr),
    });
  });
});
