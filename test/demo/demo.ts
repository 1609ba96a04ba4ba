import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { openCluster } from '../cluster/cluster.ts';
import type { Cluster } from '../cluster/cluster.ts';
import {
  annotateShop,
  applyPolicy,
  DECLINED,
  deployShop,
  installOperator,
  OPERATOR,
  PAID,
  patchRatio,
  POLICY_FILE,
  SHOP_NAMESPACE,
  SHOP_SERVICES,
} from './deploy.ts';
import { diagnose, logTail } from './diagnosis.ts';
import { SAMPLE_ORDERS } from './orders.ts';
import type { OrderRequest } from './orders.ts';
import { podChanges, podStates } from './pods.ts';
import { prepareImages } from './prepare.ts';
import type { Images } from './prepare.ts';
import { countTraced, firstMissing, firstOfAll, placeMarked, secondsUntil, waitForTrace } from './sampling.ts';
import { withRoute } from './route.ts';
import type { Route } from './route.ts';
import { shopTraceProblems } from './shop-trace.ts';
import type { Expected } from './shop-trace.ts';
import type { Span } from '../../cli/trace/span.ts';
import { bold, say, stage, StageError } from './stages.ts';
import { mayColor } from '../../cli/output.ts';
import { waterfall } from '../../cli/trace/waterfall.ts';

const STAGES = 7;
const NEW_RATIO = 0.1;
const SAMPLE = 200;
// Five standard deviations on both sides of what NEW_RATIO of SAMPLE gives.
const PLAUSIBLE = { least: 2, most: 41 };

/** Stages 1 and 2, which need the package registries, and so the machine's own network. */
async function outside(cluster: Cluster): Promise<number> {
  say(
    `The whole demo: about 2 minutes, and 15 to 30 the first time on a machine without Docker, where Kubernetes and Jaeger are built once; where two processors are busy with other work, three times as long. Each stage says how long it usually takes.\n${cluster.why}`,
  );
  await stage(1, STAGES, {
    title: 'A Kubernetes cluster',
    usually: '10 s, 6 to 10 min the first time',
    work: async () =>
      say(`  ${cluster.names.cluster} ${(await cluster.up()) === 'reused' ? 'was up already' : 'is up'}`),
    look: [],
  });
  const images = await stage(2, STAGES, {
    title: 'Images: operator, agent, shop, its servers, Jaeger',
    usually: '30 s, 5 to 15 min the first time',
    work: () => prepareImages(cluster),
    look: [],
  });
  const args = [import.meta.filename, '--inside', JSON.stringify(images)];
  const child = spawn(...cluster.wrap(process.execPath, args), { stdio: 'inherit' });
  process.once('exit', () => child.kill());
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

/** Stages 3 to 7, in the network in which the cluster's addresses can be reached. */
async function inside(cluster: Cluster, images: Images): Promise<number> {
  await stage(3, STAGES, {
    title: `helm install ${OPERATOR.release}`,
    usually: '10 s',
    work: () => installOperator(cluster, images),
    look: [
      `kubectl -n ${OPERATOR.namespace} logs -l app.kubernetes.io/name=tracing-operator --prefix --tail=200`,
      `helm -n ${OPERATOR.namespace} status ${OPERATOR.release}`,
    ],
  });
  await stage(4, STAGES, {
    title: 'The shop (order, payment, inventory), its servers, and Jaeger',
    usually: '20 s',
    work: (now) => deployShop(cluster, images, now),
    look: [`kubectl -n ${SHOP_NAMESPACE} get events --sort-by=.lastTimestamp`],
  });
  const look = [
    `kubectl -n ${OPERATOR.namespace} logs -l app.kubernetes.io/name=tracing-operator --prefix --tail=200`,
    `kubectl -n ${SHOP_NAMESPACE} describe pods -l app.kubernetes.io/name=order`,
    `kubectl -n ${SHOP_NAMESPACE} logs deployment/order`,
  ];
  await stage(5, STAGES, {
    title: 'Annotate, apply a policy, send orders: one trace through all of it',
    usually: '20 s',
    work: () => showTraces(cluster),
    look,
  });
  await stage(6, STAGES, {
    title: `Change sampling.ratio from 1 to ${NEW_RATIO} under running pods`,
    usually: '40 s',
    work: (now) => showLiveChange(cluster, now),
    look,
  });
  say(`\n${bold(`[7/${STAGES}] What to try next`)}`);
  showNext(cluster);
  return 0;
}

async function showTraces(cluster: Cluster): Promise<void> {
  say(`  kubectl annotate deployment ${SHOP_SERVICES.join(' ')} tracing.acme/inject=true -n ${SHOP_NAMESPACE}`);
  await annotateShop(cluster);
  const pods = await podStates(cluster, SHOP_NAMESPACE, SHOP_SERVICES);
  const bare = SHOP_SERVICES.filter((app) => !pods.some((pod) => pod.name.startsWith(`${app}-`) && pod.injected));
  if (bare.length > 0)
    throw new Error(
      `no pod of ${bare.join(', ')} has been injected; the operator said:\n${await logTail(cluster, OPERATOR.namespace, OPERATOR.release)}`,
    );
  say(`  injected pods: ${pods.map((pod) => pod.name).join(', ')}`);
  say(`  kubectl apply -f ${POLICY_FILE}`);
  const applied = new Date();
  await applyPolicy(cluster);
  await withRoute(cluster, async (route) => {
    const seconds = await secondsUntil(firstOfAll, route, applied);
    say(`  orders are traced from ${seconds.toFixed(1)} s after that on, in pods that were running already`);
    await showTrace(route, 'an order that is paid', SAMPLE_ORDERS.good, 201, PAID);
    await showTrace(route, 'an order whose card is declined', SAMPLE_ORDERS.declined, 402, DECLINED);
    const soldOut = await traceOf(route, SAMPLE_ORDERS.outOfStock, 409, { ...DECLINED, services: ['order'] });
    const [{ traceId = '' } = {}] = soldOut;
    process.stdout.write(`\nan order for what is out of stock → 409: node test/demo/trace.ts ${traceId}\n`);
  });
}

async function showTrace(
  route: Route,
  name: string,
  order: OrderRequest,
  status: number,
  expected: Expected,
): Promise<void> {
  const spans = await traceOf(route, order, status, expected);
  process.stdout.write(`\n${bold(name, process.stdout)}: POST /orders ${JSON.stringify(order)} → ${status}\n`);
  const width = process.stdout.columns ?? 140;
  process.stdout.write(waterfall(spans, { width, color: mayColor(process.stdout, process.env) }));
}

/** Places an order that should end with `status`; resolves to its trace, whole. */
async function traceOf(route: Route, order: OrderRequest, status: number, expected: Expected): Promise<Span[]> {
  const placed = await placeMarked(route.orderUrl, order);
  if (placed.answer.status !== status) {
    throw new Error(`${JSON.stringify(order)} should be answered with ${status}, got ${JSON.stringify(placed.answer)}`);
  }
  return waitForTrace(route.jaeger, placed, (spans) => shopTraceProblems(spans, expected));
}

async function showLiveChange(cluster: Cluster, now: (what: string) => void): Promise<void> {
  const before = await podStates(cluster, SHOP_NAMESPACE, SHOP_SERVICES);
  await withRoute(cluster, async (route) => {
    const rows = [{ ratio: 1, traced: await countTraced(route, SAMPLE, now) }];
    const patched = new Date();
    await patchRatio(cluster, NEW_RATIO);
    say(
      `  kubectl patch tracingpolicy shop -n ${SHOP_NAMESPACE} --type merge -p '{"spec":{"sampling":{"ratio":${NEW_RATIO}}}}'`,
    );
    now('sending orders until the new ratio is in force');
    const seconds = await secondsUntil(firstMissing, route, patched);
    rows.push({ ratio: NEW_RATIO, traced: await countTraced(route, SAMPLE, now) });

    process.stdout.write('\n');
    for (const { ratio, traced } of rows) {
      const share = `${((traced / SAMPLE) * 100).toFixed(1)} %`.padStart(7);
      const counted = `${String(traced).padStart(3)} of ${SAMPLE} orders traced`;
      process.stdout.write(
        `ratio ${String(ratio).padEnd(4)} ${counted} ${share} ${'█'.repeat(Math.ceil((traced / SAMPLE) * 40))}\n`,
      );
    }
    const changes = podChanges(before, await podStates(cluster, SHOP_NAMESPACE, SHOP_SERVICES));
    if (changes.length > 0) throw new Error(`the pods are not the same any more: ${changes.join(', ')}`);
    process.stdout.write(
      `the first order under the new ratio was sent ${seconds.toFixed(1)} s after the patch; the same ${before.length} pods, none restarted\n`,
    );
    const [full, reduced] = rows.map((row) => row.traced);
    if (full !== SAMPLE) throw new Error(`at ratio 1 every order should be traced, ${full} of ${SAMPLE} were`);
    if (reduced === undefined || reduced < PLAUSIBLE.least || reduced > PLAUSIBLE.most) {
      throw new Error(
        `at ratio ${NEW_RATIO} ${PLAUSIBLE.least} to ${PLAUSIBLE.most} of ${SAMPLE} orders should be traced, ${reduced} were`,
      );
    }
  });
}

function showNext(cluster: Cluster): void {
  const jaeger =
    cluster.flavor === 'kind'
      ? ['kubectl -n observability port-forward service/jaeger 16686', 'then open http://localhost:16686']
      : ['node test/demo/trace.ts', "the last order's trace (this Jaeger is built without its web UI)"];
  process.stdout.write(`
The cluster stays up. A shell that reaches it, with kubectl and helm (your own kubeconfig is not touched):

  make demo-shell

and in it, for instance:

  kubectl tracing status -n ${SHOP_NAMESPACE}
  kubectl tracing explain deployment/order -n ${SHOP_NAMESPACE}
  kubectl tracing ui                                # the same in a browser
  kubectl -n ${SHOP_NAMESPACE} edit tracingpolicy shop            # change the ratio again
  kubectl -n ${SHOP_NAMESPACE} get pod -l app.kubernetes.io/name=order -o yaml    # what was injected
  node test/demo/place-order.ts                     # place an order, see its trace
  ${jaeger[0]}    # ${jaeger[1]}
  kubectl -n ${SHOP_NAMESPACE} annotate --overwrite deployment order tracing.acme/inject=false

Run it again: make demo        Remove every trace of it: make demo-down
`);
}

/** Says what failed, what the cluster says about it, and what to do next. */
async function explain(error: unknown, cluster: Cluster): Promise<void> {
  const failed = error instanceof StageError ? error : undefined;
  const cause = failed ? failed.cause : error;
  say(`\n${bold(`✗ ${failed?.message ?? 'the demo failed'}`)}\n${reasons(cause)}`);
  if (await cluster.isUp().catch(() => false)) {
    const diagnosis = await diagnose(cluster, [OPERATOR.namespace, 'observability', SHOP_NAMESPACE]);
    if (diagnosis !== '') say(`\n${diagnosis}`);
  }
  say('\nNext:');
  if (failed && failed.look.length > 0) {
    say('  make demo-shell, and in it');
    for (const command of failed.look) say(`    ${command}`);
  }
  say('  make demo         goes on from here: what is done already is not done again');
  say('  make demo-down    removes everything, for a fresh start');
}

function reasons(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n${reasons(error.cause)}`;
}

async function main(): Promise<number> {
  const cluster = await openCluster();
  const [where, images] = process.argv.slice(2);
  // Ends by way of `exit`, where the forwarded ports are closed.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  try {
    return await (where === '--inside' && images !== undefined
      ? inside(cluster, JSON.parse(images) as Images)
      : outside(cluster));
  } catch (error) {
    await explain(error, cluster);
    return 1;
  }
}

process.exitCode = await main();
