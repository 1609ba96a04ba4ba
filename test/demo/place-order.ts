// node test/demo/place-order.ts [good|declined|outOfStock]: places an order and draws its trace, if the ratio let it have
// one. Run it in `make demo-shell`.
import { openCluster } from '../cluster/cluster.ts';
import { SAMPLE_ORDERS } from './orders.ts';
import { withRoute } from './route.ts';
import { placeMarked, waitForTrace } from './sampling.ts';
import { traceProblems } from './span.ts';
import { mayColor, waterfall } from './waterfall.ts';

const [kind = 'good'] = process.argv.slice(2);
try {
  if (!isSample(kind)) throw new Error(`there is no order named ${kind}: ${Object.keys(SAMPLE_ORDERS).join(', ')}`);
  await withRoute(await openCluster(), async ({ orderUrl, jaeger }) => {
    const placed = await placeMarked(orderUrl, SAMPLE_ORDERS[kind]);
    process.stdout.write(`${placed.answer.status} ${JSON.stringify(placed.answer.body)}\n`);
    const spans = await waitForTrace(jaeger, placed, traceProblems, 8_000).catch(() => undefined);
    const drawn = { width: process.stdout.columns ?? 120, color: mayColor(process.stdout, process.env) };
    process.stdout.write(spans ? waterfall(spans, drawn) : 'not traced: the ratio decides, try again\n');
  });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function isSample(name: string): name is keyof typeof SAMPLE_ORDERS {
  return name in SAMPLE_ORDERS;
}
