import { createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';
import { describe, expect, it } from '@jest/globals';
import type { ChainContext } from './context.ts';
import { EMPTY_CONTEXT, LiveContextManager } from './context.ts';

const key = createContextKey('a');
const other = createContextKey('b');

describe('ChainContext', () => {
  it('sets, shadows and deletes without changing what was there', () => {
    const one = EMPTY_CONTEXT.setValue(key, 1);
    const two = one.setValue(other, 2).setValue(key, 3);
    expect([one.getValue(key), two.getValue(key), two.getValue(other)]).toEqual([1, 3, 2]);
    expect(two.deleteValue(key).getValue(key)).toBeUndefined();
    expect(two.getValue(key)).toBe(3);
    expect(EMPTY_CONTEXT.getValue(key)).toBeUndefined();
  });

  it('is the same context when nothing changes', () => {
    const one = EMPTY_CONTEXT.setValue(key, 1);
    expect(one.setValue(key, 1)).toBe(one);
    expect(one.deleteValue(other)).toBe(one);
  });

  it('does not grow with work that goes on for ever', () => {
    let context: ChainContext = EMPTY_CONTEXT.setValue(createContextKey('kept'), 'kept');
    for (let i = 0; i < 10_000; i++) context = context.setValue(key, i).setValue(other, i);
    let length = 0;
    for (let entry: unknown = context; entry; entry = (entry as { parent?: unknown }).parent) length++;
    expect(length).toBeLessThan(12);
    expect([context.getValue(key), context.getValue(other)]).toEqual([9999, 9999]);
  });

  it('holds as many values as the app sets', () => {
    const keys = Array.from({ length: 40 }, (_, i) => createContextKey(`k${i}`));
    let context: ChainContext = EMPTY_CONTEXT;
    keys.forEach((each, i) => (context = context.setValue(each, i)));
    expect(keys.map((each) => context.getValue(each))).toEqual(keys.map((_, i) => i));
  });
});

describe('LiveContextManager', () => {
  it('keeps the context across awaits, and passes receiver, arguments and result', async () => {
    const manager = new LiveContextManager();
    const context = EMPTY_CONTEXT.setValue(key, 1);
    const receiver = { name: 'me' };
    const result = await manager.with(
      context,
      async function (this: typeof receiver, a: number) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return [this.name, a, manager.active().getValue(key)];
      },
      receiver,
      7,
    );
    expect(result).toEqual(['me', 7, 1]);
    expect(manager.active()).toBe(ROOT_CONTEXT);
  });

  it('is as if there were none while it is off', () => {
    const manager = new LiveContextManager();
    const context = EMPTY_CONTEXT.setValue(key, 1);
    manager.with(context, () => {
      manager.setOn(false);
      expect(manager.active()).toBe(ROOT_CONTEXT);
      expect(manager.with(context, () => manager.active())).toBe(ROOT_CONTEXT);
      manager.setOn(true);
    });
    expect(manager.with(context, () => manager.active())).toBe(context);
  });
});
