// What the agent adds to a look into a cache of the process, in nanoseconds of CPU time:
//   make build && node test/bench/local-cache.ts [--runs 5]
import { parseArgs } from 'node:util';
import { installedApp } from '../agent/app.ts';
import { startServer } from '../agent/process.ts';
import { join } from 'node:path';
import { Sink } from '../agent/sink.ts';
import { wholeNumber } from './options.ts';
import { median } from './results.ts';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '5' } } });
const runs = wholeNumber('runs', values.runs);
const app = installedApp(join(import.meta.dirname, '../agent/apps/stores'));
const traceparent = (flags: string) => `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`;
const WAYS = [
  { name: 'bare', agent: false, flags: '01' },
  { name: 'recorded', agent: true, flags: '01' },
  { name: 'not sampled', agent: true, flags: '00' },
];
const sink = await Sink.start();
const costs = new Map<string, number[]>();
for (let run = 0; run < runs; run++)
  for (const { name, agent, flags } of WAYS) {
    const server = await startServer({
      agent,
      cwd: app,
      args: ['cost.cjs'],
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_SERVICE_NAME: 'cost' },
    });
    for (const library of ['lru-cache', 'node-cache']) {
      const headers = { traceparent: traceparent(flags) };
      const ask = async (): Promise<number> =>
        (await (await fetch(`${server.url}/${library}`, { headers })).json()) as number;
      await ask(); // compiles it
      const key = `${library}, ${name}`;
      costs.set(key, [...(costs.get(key) ?? []), await ask()]);
    }
    await server.stop();
  }
await sink.stop();
for (const library of ['lru-cache', 'node-cache']) {
  const [bare, recorded, unsampled] = WAYS.map(({ name }) => median(costs.get(`${library}, ${name}`)!));
  const added = (nanos: number | undefined): string => `+${(nanos! - bare!).toFixed(0)}`;
  console.log(
    `${library}: ${bare!.toFixed(0)} ns a get bare, ${added(recorded)} ns in a recorded request, ${added(unsampled)} ns in one that is not sampled`,
  );
}
