import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { expect, it, jest } from '@jest/globals';
import { Addresses } from './address.ts';
import { openDestination } from './destination.ts';

it('gives a receiver that does not answer up in time, and never waits for less than nothing', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const addresses = new Addresses();
  const timers = jest.spyOn(globalThis, 'setTimeout');
  const destination = openDestination(
    {
      ...{ name: 'default', signal: 'traces', protocol: 'http/protobuf', headers: {}, gzip: false },
      endpoint: `http://127.0.0.1:${(silent.address() as AddressInfo).port}/v1/traces`,
      // More than a batch has: its time ends within a try.
      timeoutMillis: 10_000,
      retry: { initialMillis: 1, maxMillis: 1 },
    },
    {
      require: createRequire(import.meta.url),
      sayOnce: () => undefined,
      untraced: (work) => work(),
      credentials: () => 'none',
      addresses: () => addresses,
      sendLast: () => undefined,
    },
  );
  try {
    for (let i = 0; i < 5; i++)
      expect(await destination.send(Buffer.from('x'), { timeoutMillis: 20.5, keepAlive: false })).toEqual({
        failure: 'no answer in time',
      });
    const delays = timers.mock.calls.map(([, millis]) => millis);
    expect(delays.length).toBeGreaterThanOrEqual(5);
    expect(delays.filter((millis) => millis === undefined || Number.isNaN(millis) || millis < 0)).toEqual([]);
  } finally {
    timers.mockRestore();
    destination.close();
    silent.closeAllConnections();
    silent.close();
  }
});
