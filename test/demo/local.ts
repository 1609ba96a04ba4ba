// The shop as processes of this machine, traced without any cluster. `--help` says more.
import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { mayColor } from '../../cli/output.ts';
import { followPolicy } from '../../cli/run/follow.ts';
import type { Destination } from '../../cli/run/local-policy.ts';
import { describeDocument, localDocument } from '../../cli/run/local-policy.ts';
import { finishedTraces } from '../../cli/trace/finished.ts';
import type { Receiver } from '../../cli/trace/receiver.ts';
import { waterfall } from '../../cli/trace/waterfall.ts';
import { POLICY_FILE } from './deploy.ts';
import { openLocalShop } from './local-shop.ts';
import { placeOrder, SAMPLE_ORDERS } from './orders.ts';
import { bold, say } from './stages.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const FAILS_ONCE = '4000000000000119';
/** Longer than a batch waits, in an agent or in Kafka. */
const QUIET_MS = 2_000;

const HELP = `The shop and the servers that it needs, as processes of this machine: the agent is injected by NODE_OPTIONS, follows the same
policy file as in the cluster, and sends its spans to a receiver in this process, which draws each trace of an order. Needs
dist/ (make build) and, on Debian, what apt-get installs; it says what is missing.

Usage:
  node test/demo/local.ts [--policy ${POLICY_FILE}]

Ctrl-C ends all of it.
`;

/** Draws traces of orders as they arrive, until it is told to end. */
async function draw(receiver: Receiver, signal: AbortSignal): Promise<void> {
  for await (const spans of finishedTraces(receiver, QUIET_MS, signal)) {
    if (!spans.some(({ name, kind }) => name === 'POST /orders' && kind === 'server')) continue;
    const width = process.stdout.columns ?? 140;
    process.stdout.write(`\n${waterfall(spans, { width, color: mayColor(process.stdout, process.env) })}`);
  }
}

async function run(file: string, signal: AbortSignal): Promise<void> {
  const shown = relative(process.cwd(), file);
  const read = (destination: Destination) => localDocument(readFileSync(file, 'utf8'), shown, destination);
  const local = await openLocalShop(read, signal);
  const { receiver, shop } = local;
  try {
    const readAgain = () => read({ protocol: 'http/json', endpoint: receiver.url });
    const document = readAgain();
    say(describeDocument(document));
    followPolicy(
      {
        file,
        shown,
        read: readAgain,
        take: (changed) => shop.follow(changed),
        say: (text) => say(`\n${text}`),
        signal,
      },
      document,
    );
    const drawing = draw(receiver, signal);
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
