import { describe, expect, it } from '@jest/globals';
import type { RequestOptions } from '../kube/client.ts';
import { Viewers } from './viewers.ts';

interface Asked {
  token?: string;
  user?: string;
  groups?: string[];
  resourceAttributes?: { resource: string; namespace?: string };
}

/** What an API server would answer: it knows one token, and lets its user list all in the namespace `shop`. */
function scene() {
  const asked: Asked[] = [];
  let [now, running, most] = [0, 0, 0];
  const request = async <T>(_method: string, path: string, { body }: RequestOptions = {}): Promise<T> => {
    const { spec } = body as { spec: Asked };
    asked.push(spec);
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running--;
    if (path.endsWith('tokenreviews'))
      return { status: { authenticated: spec.token === 'good', user: { username: 'ada', groups: ['g'] } } } as T;
    return { status: { allowed: spec.resourceAttributes?.namespace === 'shop' } } as T;
  };
  const viewers = new Viewers({ request }, () => now);
  return { viewers, asked, pass: (milliseconds: number) => (now += milliseconds), most: () => most };
}

describe('viewers of the coverage page', () => {
  it('are asked for once in a while, bad ones as well', async () => {
    const { viewers, asked, pass } = scene();
    for (let i = 0; i < 3; i++) {
      expect(await viewers.identify({ token: 'good' })).toMatchObject({ name: 'ada', subject: { groups: ['g'] } });
      expect(await viewers.identify({ token: 'bad' })).toBeUndefined();
    }
    expect(asked).toHaveLength(2);
    pass(60_000);
    await viewers.identify({ token: 'good' });
    expect(asked).toHaveLength(3);
  });

  it('see the namespaces in which they may list all that is shown; of another one question is enough', async () => {
    const { viewers, asked, most } = scene();
    const certificate = { commonName: 'ada', organizations: ['dev'] };
    const viewer = (await viewers.identify({ certificate }))!;
    expect(viewer.subject).toEqual({ user: 'ada', groups: ['dev', 'system:authenticated'] });
    const names = ['shop', ...Array.from({ length: 40 }, (_, i) => `other-${i}`)];
    expect(await viewers.visible(viewer, names)).toEqual({ all: false, namespaces: new Set(['shop']) });
    const resources = (namespace: string | undefined) =>
      asked
        .filter((each) => each.resourceAttributes?.namespace === namespace)
        .map((each) => each.resourceAttributes?.resource);
    expect(resources('shop')).toEqual(['pods', 'configmaps', 'events', 'tracingpolicies']);
    expect([resources('other-7'), resources(undefined)]).toEqual([['pods'], ['pods']]);
    expect(most()).toBe(8);
    const before = asked.length;
    expect([await viewers.maySee(viewer, 'shop'), await viewers.maySee(viewer, 'other-7')]).toEqual([true, false]);
    expect(asked.length).toBe(before);
  });
});
