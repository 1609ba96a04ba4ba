import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../cluster/progress.ts';
import { ROOT, startServer, type RunningServer } from './process.ts';
import { Sink } from './sink.ts';

/** Apps that are one file: what is in it cannot be patched, and that has to be said. */
describe('an app that was bundled', () => {
  let folder: string;
  let sink: Sink;
  let server: RunningServer | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tracing-bundle-'));
    sink = await Sink.start();
  });
  afterEach(() => server?.stop('SIGKILL'));
  afterAll(async () => {
    await sink.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ['app.cjs', { format: 'cjs', minify: true }],
    ['app.mjs', { format: 'esm', minify: false }],
  ] as const)(
    '%s gives HTTP spans, and one line about the libraries in it',
    async (name, options) => {
      const outfile = join(folder, name);
      await build({
        entryPoints: [join(ROOT, 'test/agent/programs/bundled-express.mjs')],
        bundle: true,
        platform: 'node',
        outfile,
        ...options,
        // What packages written for CommonJS need in an ES module.
        ...(options.format === 'esm' && {
          banner: {
            js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`,
          },
        }),
      });
      server = await startServer({
        args: [outfile],
        env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_BSP_SCHEDULE_DELAY: '50', OTEL_SERVICE_NAME: name },
      });
      expect(await (await fetch(`${server.url}/hello`)).text()).toBe('hello');
      await sink.until((spans) => spans.some(({ resource }) => resource['service.name'] === name));
      const running = server;
      await until('nothing is said', 20_000, () => Promise.resolve(running.output().includes('is a bundle')));
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const lines = running
        .output()
        .split('\n')
        .filter((line) => line.startsWith('tracing-operator:'));
      expect(lines).toEqual([expect.stringMatching(`${name} is a bundle: no spans of .*express.* in it`)]);
    },
    60_000,
  );
});
