// node test/demo/place-order.ts [good|declined|outOfStock]: places orders until one is traced, and draws its trace. Run it in
// `make demo-shell`.
import { setTimeout as sleep } from 'node:timers/promises';
import { mayColor } from '../../cli/output.ts';
import { waterfall } from '../../cli/trace/waterfall.ts';
import { openCluster } from '../cluster/cluster.ts';
import { SAMPLE_ORDERS } from './orders.ts';
import { withRoute } from './route.ts';
import { placeMarked, tracesOf, waitForTrace } from './sampling.ts';
import type { MarkedOrder } from './sampling.ts';
import { traceProblems } from './trace-problems.ts';

/** At a ratio of 0.1 one in a hundred tries finds none among so many. */
const MOST = 44;
const TOGETHER = 4;
/** How long a trace takes to arrive, milliseconds. */
const ARRIVES = 2_500;

const [kind = 'good'] = process.argv.slice(2);
try {
  if (!isSample(kind)) throw new Error(`there is no order named ${kind}: ${Object.keys(SAMPLE_ORDERS).join(', ')}`);
  await withRoute(await openCluster(), async ({ orderUrl, jaeger }) => {
    const orders: MarkedOrder[] = [];
    let traced: MarkedOrder | undefined;
    while (!traced && orders.length < MOST) {
      const isFirst = orders.length === 0;
      for (let count = isFirst ? 1 : TOGETHER; count > 0; count--) {
        const placed = await placeMarked(orderUrl, SAMPLE_ORDERS[kind]);
        orders.push(placed);
        if (isFirst) process.stdout.write(`${placed.answer.status} ${JSON.stringify(placed.answer.body)}\n`);
      }
      for (const end = performance.now() + ARRIVES; !traced && performance.now() < end; await sleep(250)) {
        const traces = await tracesOf(jaeger, orders);
        traced = orders.find(({ mark }) => traces.has(mark));
      }
      if (!traced && isFirst) process.stdout.write('not traced, as the ratio decides: placing more\n');
    }
    if (!traced)
      throw new Error(
        `none of ${orders.length} orders was traced. Is the ratio very small, or tracing switched off? kubectl get tracingpolicies,clustertracingpolicies -A`,
      );
    if (orders.length > 1) process.stdout.write(`order ${orders.indexOf(traced) + 1} of ${orders.length}:\n`);
    const spans = await waitForTrace(jaeger, traced, traceProblems);
    process.stdout.write(
      waterfall(spans, { width: process.stdout.columns ?? 120, color: mayColor(process.stdout, process.env) }),
    );
  });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function isSample(name: string): name is keyof typeof SAMPLE_ORDERS {
  return name in SAMPLE_ORDERS;
}
