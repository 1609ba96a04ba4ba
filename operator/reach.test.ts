import { describe, expect, it } from '@jest/globals';
import { reaches, reachRequirements, whyNotReached } from './reach.ts';

describe('which namespaces are looked at', () => {
  const all = { only: [], excluded: ['kube-system'] };
  const few = { only: ['shop', 'kube-system'], excluded: ['kube-system'] };

  it.each([
    ['all but the excluded', all, 'shop', true],
    ['all but the excluded', all, 'kube-system', false],
    ['those that are listed', few, 'shop', true],
    ['those that are listed', few, 'other', false],
    ['none that is excluded, listed or not', few, 'kube-system', false],
  ])('%s', (_, reach, namespace, expected) => {
    expect(reaches(reach, namespace)).toBe(expected);
  });

  it('is said as a selector', () => {
    const excluded = { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system'] };
    expect(reachRequirements(all)).toEqual([excluded]);
    const listed = { key: 'kubernetes.io/metadata.name', operator: 'In', values: ['shop', 'kube-system'] };
    expect(reachRequirements(few)).toEqual([listed, excluded]);
  });

  it.each([
    ['shop', few, undefined],
    ['kube-system', all, /the cluster itself runs there$/],
    ['system', { only: [], excluded: ['system'] }, /the operator itself runs there$/],
    ['other', few, /the chart's webhook\.namespaces does not contain it$/],
    ['other', { only: ['other'], excluded: ['other'] }, /the chart's webhook\.excludedNamespaces names it$/],
  ])('%s of %j: says why not', (namespace, reach, why) => {
    const found = whyNotReached(namespace, reach, { name: 'op', namespace: 'system' });
    if (why) expect(found?.why).toMatch(why);
    else expect(found).toBeUndefined();
  });
});
