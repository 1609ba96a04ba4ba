import { describe, expect, it } from '@jest/globals';
import type { WorkloadState } from '../state.ts';
import type { Filter } from './filter.ts';
import { matches, NOTHING, readAddress, writeAddress } from './filter.ts';

const workload: WorkloadState = {
  ...{ kind: 'Deployment', name: 'order', pods: 1, traced: 1, reporting: 1 },
  ...{ policy: 'TracingPolicy shop/default', state: 'ExportFailing' },
  troubles: [{ reason: 'ExportFailing', message: 'ECONNREFUSED collector' }],
};

describe('what the page shows', () => {
  it.each<[Partial<Filter>, boolean]>([
    [{}, true],
    [{ text: 'ORD' }, true],
    [{ text: 'shop/order' }, true],
    [{ text: 'econnrefused' }, true],
    [{ text: 'payment' }, false],
    [{ namespace: 'shop', state: 'ExportFailing', policy: workload.policy, trouble: true }, true],
    [{ namespace: 'bank' }, false],
    [{ state: 'Traced' }, false],
    [{ policy: 'none' }, false],
  ])('with %j', (filter, isShown) => {
    expect(matches({ ...NOTHING, ...filter }, { namespace: 'shop' }, workload)).toBe(isShown);
  });

  it('is in the address, and comes out of it again', () => {
    const filter = { ...NOTHING, text: 'a&b <i>', namespace: 'shop', trouble: true };
    const place = { namespace: 'shop', kind: 'Deployment', name: 'order' };
    const address = writeAddress(filter, place);
    expect(address).toBe('?text=a%26b+%3Ci%3E&namespace=shop&trouble=true&workload=shop/Deployment/order');
    expect(readAddress(address)).toEqual({ filter, workload: place });
    expect(writeAddress(NOTHING, undefined)).toBe('');
    expect(readAddress('?workload=shop&other=1')).toEqual({ filter: NOTHING, workload: undefined });
  });
});
