// node test/demo/trace.ts [TRACE_ID]: draws one trace, by default that of the last order. Run it in `make demo-shell`.
import { openCluster } from '../cluster/cluster.ts';
import { withRoute } from './route.ts';
import { mayColor } from '../../cli/output.ts';
import { waterfall } from '../../cli/trace/waterfall.ts';

const [traceId] = process.argv.slice(2);
try {
  const spans = await withRoute(await openCluster(), async ({ jaeger }) => {
    if (traceId !== undefined) return jaeger.trace(traceId);
    const traces = await jaeger.find({
      service: 'order',
      operation: 'POST /orders',
      from: new Date(0),
      to: new Date(Date.now() + 60_000),
      limit: 1,
    });
    return traces[0] ?? [];
  });
  process.stdout.write(
    waterfall(spans, { width: process.stdout.columns ?? 120, color: mayColor(process.stdout, process.env) }),
  );
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
