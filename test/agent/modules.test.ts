import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SUPPORTED_LINES } from '../../injector/agent/runtimes/index.ts';
import { installedApp } from './app.ts';
import { ROOT, runNode } from './process.ts';
import { Sink } from './sink.ts';

const app = installedApp(join(ROOT, 'test/agent/apps/modules'));
let sink: Sink;
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(() => sink.stop());

describe.each(SUPPORTED_LINES)('a library whose ES modules are not its CommonJS files, on Node %s', (line) => {
  const run = (agent: boolean, env: Record<string, string> = {}): ReturnType<typeof runNode> =>
    runNode({
      line,
      agent,
      args: [join(app, 'ask.mjs')],
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_SERVICE_NAME: 'modules', ...env },
    });

  it('is traced when it is imported, from its first call on', async () => {
    const { millis: _bare, ...bare } = await run(false);
    const { millis: _traced, ...traced } = await run(true);
    expect(traced).toEqual(bare);
    expect(traced).toMatchObject({ code: 0, stdout: 'hello\n' });
    const call = (await sink.until((spans) => spans.length >= 3)).find((span) => span.name === 'chat small');
    expect(call).toMatchObject({ kind: 'client', attributes: { 'gen_ai.operation.name': 'chat' } });
    expect(JSON.stringify([call?.attributes, call?.events])).not.toContain('secret');
    const request = sink.spans.find((span) => span.kind === 'client' && span.name === 'POST');
    expect(request?.traceId).toBe(call?.traceId);
  });

  it('is left alone where its instrumentation is switched off', async () => {
    const { stdout, stderr } = await run(true, { OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'openai' });
    expect({ stdout, stderr }).toEqual({ stdout: 'hello\n', stderr: '' });
    expect((await sink.until((spans) => spans.length >= 2)).map((span) => span.name)).toEqual(['POST', 'POST']);
  });
});
