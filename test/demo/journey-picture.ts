// node test/demo/journey-picture.ts: places one order in a local shop and draws its trace, and that of the batch it is shipped
// with, into docs/journey.svg. Needs dist/ (make build).
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { localDocument } from '../../cli/run/local-policy.ts';
import { POLICY_FILE } from './deploy.ts';
import { openLocalShop } from './local-shop.ts';
import { placeOrder, SAMPLE_ORDERS } from './orders.ts';
import { picture } from './picture.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const PICTURE = 'docs/journey.svg';
const TITLE = 'POST /orders: one trace through three services, and one of the batch that it is shipped with';
/** Longer than a batch waits, in an agent or in Kafka, and than it takes to be worked off. */
const QUIET_MS = 5_000;
const FAILS_ONCE = '4000000000000119';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => interrupted.abort());
const policy = readFileSync(join(CHECKOUT, POLICY_FILE), 'utf8');
const local = await openLocalShop(
  (destination) => localDocument(policy, POLICY_FILE, destination),
  interrupted.signal,
  {
    BANK_FAILURE_RATE: '0',
  },
);
try {
  // What comes of the start is not of the order.
  await sleep(QUIET_MS, undefined, { signal: interrupted.signal });
  local.receiver.take();
  const { status } = await placeOrder(local.shop.orderUrl, { ...SAMPLE_ORDERS.good, card: FAILS_ONCE });
  await sleep(QUIET_MS, undefined, { signal: interrupted.signal });
  const spans = local.receiver.take();
  writeFileSync(join(CHECKOUT, PICTURE), picture(spans, TITLE));
  process.stderr.write(`order: ${status}, ${spans.length} spans, ${PICTURE}\n`);
} finally {
  await local.stop();
}
