import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from '@jest/globals';
import { readInstrumentations } from './generate.ts';
import { satisfiesPlainly } from './semver.ts';

const ROOT = join(import.meta.dirname, '../..');
const { satisfies } = (await import(
  pathToFileURL(join(ROOT, 'node_modules/@opentelemetry/instrumentation/dist/semver.mjs')).href
)) as { satisfies: (version: string, range: string) => boolean };

const VERSIONS = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 13, 20, 21].flatMap((major) =>
  ['0.0', '0.3', '4.0', '14.9', '19.0', '22.1'].map((rest) => `${major}.${rest}`),
);

it('agrees with the full implementation on every range of the installed instrumentations', () => {
  const ranges = new Set(
    readInstrumentations(ROOT).flatMap(({ definitions }) => definitions.flatMap((each) => each.ranges)),
  );
  expect(ranges.size).toBeGreaterThan(20);
  let plain = 0;
  for (const range of ranges) {
    for (const version of VERSIONS) {
      const quick = satisfiesPlainly(version, range);
      if (quick === undefined) continue;
      plain += 1;
      expect({ version, range, is: quick }).toEqual({ version, range, is: satisfies(version, range) });
    }
  }
  expect(plain / (ranges.size * VERSIONS.length)).toBeGreaterThan(0.9);
});

it.each(['>=1.2.3 <2', '^0.2.3', '^0.0.3', '~1.2', '~1', '1.2', '=1.2.3', '>1.2', '<=1.2', '>= 6.7 < 8'])(
  'agrees on %s',
  (range) => {
    for (const version of [...VERSIONS, '1.2.3', '1.2.4', '0.2.9', '0.0.3', '0.0.4']) {
      expect({ version, is: satisfiesPlainly(version, range) }).toEqual({ version, is: satisfies(version, range) });
    }
  },
);

it('leaves the rest to the full implementation', () => {
  expect(satisfiesPlainly('1.0.0-beta.1', '*')).toBeUndefined();
  expect(satisfiesPlainly('1.0.0', '1.x || 2.x')).toBeUndefined();
});
