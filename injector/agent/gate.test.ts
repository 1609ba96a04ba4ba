import { beforeEach, expect, it } from '@jest/globals';
import { gateInstrumentation } from './gate.ts';

type Handler = (...values: unknown[]) => unknown;

let on: boolean;
let measuring: boolean;
beforeEach(() => {
  on = true;
  measuring = false;
});

/** Stands for an instrumentation whose every patch says so. */
function patch(name: string, target: Record<string, Handler>, method: string): void {
  const instrumentation = {
    _wrap(object: Record<string, Handler>, key: string, wrapper: (original: Handler, key: string) => Handler): void {
      object[key] = wrapper(object[key]!, key);
    },
  };
  gateInstrumentation(instrumentation, name, { isOn: () => on, isMeasuring: () => measuring });
  instrumentation._wrap(target, method, (original) =>
    Object.assign((a: unknown, b: unknown) => ['patched', original(a, b)], { mark: 1 }),
  );
}

it('goes straight to the library while tracing is off', () => {
  const library: Record<string, Handler> = { query: (...values) => values };
  patch('pg', library, 'query');
  expect(library['query']!(1, 2)).toEqual(['patched', [1, 2]]);
  on = false;
  expect(library['query']!(1, 2)).toEqual([1, 2]);
});

it('keeps length and properties, which frameworks look at', () => {
  const library: Record<string, Handler> = { handle: () => 0 };
  patch('express', library, 'handle');
  expect(library['handle']).toHaveLength(2);
  expect(library['handle']).toHaveProperty('mark', 1);
});

it('never skips what puts an app together, nor what writes the trace into messages', () => {
  const library: Record<string, Handler> = { use: () => 0, send: () => 0 };
  patch('express', library, 'use');
  patch('kafkajs', library, 'send');
  on = false;
  expect(library['use']!()).toEqual(['patched', 0]);
  expect(library['send']!()).toEqual(['patched', 0]);
});

it('lets routers run for metrics, whatever is sampled', () => {
  const library: Record<string, Handler> = { handle: () => 0, query: () => 0 };
  patch('express', library, 'handle');
  patch('pg', library, 'query');
  on = false;
  measuring = true;
  expect([library['handle']!(), library['query']!()]).toEqual([['patched', 0], 0]);
  measuring = false;
  expect(library['handle']!()).toBe(0);
});
