import { describe, expect, it } from '@jest/globals';
import { applyPatch } from 'rfc6902';
import { diff } from './json-patch.ts';

describe('diff', () => {
  it.each<[string, unknown, unknown, unknown[]]>([
    ['nothing', { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }, []],
    ['a new key', { a: 1 }, { a: 1, b: 2 }, [{ op: 'add', path: '/b', value: 2 }]],
    ['a key that goes', { a: 1, b: 2 }, { a: 1 }, [{ op: 'remove', path: '/b' }]],
    ['a slash and a tilde in a key', {}, { 'a/b~c': 1 }, [{ op: 'add', path: '/a~1b~0c', value: 1 }]],
    ['an item in front', { l: [2, 3] }, { l: [1, 2, 3] }, [{ op: 'add', path: '/l/0', value: 1 }]],
    ['an item at the end', { l: [1] }, { l: [1, 2] }, [{ op: 'add', path: '/l/1', value: 2 }]],
    ['an item in between', { l: [1, 3] }, { l: [1, 2, 3] }, [{ op: 'add', path: '/l/1', value: 2 }]],
    [
      'inside an item',
      { l: [{ a: 1 }, { b: 1 }] },
      { l: [{ a: 1 }, { b: 2 }] },
      [{ op: 'replace', path: '/l/1/b', value: 2 }],
    ],
    [
      'an item in front of one that changes',
      { l: [{ name: 'a', v: 1 }, { name: 'c' }] },
      { l: [{ name: 'b' }, { name: 'a', v: 2 }, { name: 'c' }, { name: 'd' }] },
      [
        { op: 'add', path: '/l/0', value: { name: 'b' } },
        { op: 'replace', path: '/l/1/v', value: 2 },
        { op: 'add', path: '/l/3', value: { name: 'd' } },
      ],
    ],
    ['an item that goes', { l: [1, 2, 3] }, { l: [1, 3] }, [{ op: 'remove', path: '/l/1' }]],
    ['a null', { a: null }, { a: {} }, [{ op: 'replace', path: '/a', value: {} }]],
  ])('says %s and no more', (_name, from, to, expected) => expect(diff(from, to)).toEqual(expected));

  it('gives a patch that another implementation applies to the same result', () => {
    const lists: unknown[][] = [
      [],
      [1],
      [1, 2],
      [2, 1],
      [1, 1],
      [{ a: 1 }, { a: 2 }],
      [{ a: 2 }, { b: [1] }, { a: 1 }],
      [{ name: 'a' }, { name: 'b', v: 1 }],
      [{ name: 'b', v: 2 }, { name: 'b' }, { name: 'a', v: null }],
    ];
    for (const from of lists)
      for (const to of lists) {
        const target = structuredClone({ list: from });
        const errors = applyPatch(target, diff({ list: from }, { list: to }));
        expect({ errors: errors.filter(Boolean), target }).toEqual({ errors: [], target: { list: to } });
      }
  });
});
