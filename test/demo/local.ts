// The shop as processes of this machine, traced without any cluster. `--help` says more.
import { existsSync, readFileSync, watch } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Sink } from '../agent/sink.ts';
import type { TracedShop } from '../servers/traced-shop.ts';
import { Arrivals } from './arrivals.ts';
import { POLICY_FILE } from './deploy.ts';
import { openLocalShop } from './local-shop.ts';
import { placeOrder, SAMPLE_ORDERS } from './orders.ts';
import { documentOf, type Endpoints } from './policy-document.ts';
import { asSpan } from './received.ts';
import { bold, say } from './stages.ts';
import { mayColor, waterfall } from './waterfall.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const FAILS_ONCE = '4000000000000119';
/** Longer than a batch waits, in an agent or in Kafka. */
const QUIET_MS = 2_000;
const LOOK_MS = 250;

const HELP = `The shop and the servers that it needs, as processes of this machine: the agent is injected by NODE_OPTIONS, follows the same
policy file as in the cluster, and sends its spans to a receiver in this process, which draws each trace of an order. Needs
dist/ (make build) and, on Debian, what apt-get installs; it says what is missing.

Usage:
  node test/demo/local.ts [--policy ${POLICY_FILE}]

Ctrl-C ends all of it.
`;

/** A policy in words. */
function describe({ source, spec: { sampling, exporters } }: PolicyDocument): string {
  return `${source}: ratio ${sampling.ratio}, ${exporters.map(({ protocol }) => protocol).join(' and ') || 'no exporter'}`;
}

/** Has the shop follow a file: what is wrong with it is said, and the policy before stays in force. */
function followFile(file: string, read: () => PolicyDocument, shop: TracedShop, signal: AbortSignal): void {
  let revision = read().revision;
  // Editors put another file in its place.
  watch(dirname(file), { signal }, (_, name) => {
    if (name !== basename(file) || !existsSync(file)) return;
    try {
      const document = read();
      if (document.revision === revision) return;
      revision = document.revision;
      shop.follow(document);
      say(`\n${describe(document)}: in force within a second, in the same processes`);
    } catch (error) {
      say(`\n${error instanceof Error ? error.message : String(error)}\nThe policy before stays in force.`);
    }
  });
}

/** Draws traces of orders as they arrive, until it is told to end. */
async function draw(sink: Sink, signal: AbortSignal): Promise<void> {
  const arrivals = new Arrivals(QUIET_MS);
  while (!signal.aborted) {
    await sleep(LOOK_MS);
    arrivals.take(sink.spans.splice(0), performance.now());
    for (const trace of arrivals.whole(performance.now())) {
      const spans = trace.map(asSpan);
      if (!spans.some(({ name, kind }) => name === 'POST /orders' && kind === 'server')) continue;
      const width = process.stdout.columns ?? 140;
      process.stdout.write(`\n${waterfall(spans, { width, color: mayColor(process.stdout, process.env) })}`);
    }
  }
}

async function run(file: string, signal: AbortSignal): Promise<void> {
  const shown = relative(process.cwd(), file);
  const read = (endpoints: Endpoints) => documentOf(readFileSync(file, 'utf8'), shown, endpoints);
  const local = await openLocalShop(read, signal);
  const { sink, shop } = local;
  try {
    const readAgain = () => read({ http: sink.url, grpc: sink.grpcUrl });
    say(describe(readAgain()));
    followFile(file, readAgain, shop, signal);
    const drawing = draw(sink, signal);
    for (const [name, order] of Object.entries(SAMPLE_ORDERS)) {
      const { status } = await placeOrder(shop.orderUrl, order);
      say(`${name}: POST /orders ${JSON.stringify(order)} → ${status}`);
    }
    await sleep(2 * QUIET_MS, undefined, { signal });
    say(`
${bold('It runs until Ctrl-C.')} Each order that is traced is drawn.

  curl -X POST ${shop.orderUrl}/orders -H 'content-type: application/json' -d '{"sku": "espresso-beans", "quantity": 2}'
  a card that fails once at the bank: add "card": "${FAILS_ONCE}"
  edit ${shown}, for instance its ratio: it is followed at once
`);
    await drawing;
  } finally {
    await local.stop();
  }
}

const { values } = parseArgs({
  options: {
    policy: { type: 'string', default: join(CHECKOUT, POLICY_FILE) },
    help: { type: 'boolean', default: false },
  },
});
const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (!ending.signal.aborted) say('\nstopping all of it');
    ending.abort();
  });
if (values.help) process.stdout.write(HELP);
else {
  try {
    await run(resolve(values.policy), ending.signal);
  } catch (error) {
    if (!ending.signal.aborted) {
      say(error instanceof Error ? error.message : String(error));
      process.exitCode = 1;
    }
  }
}
