import * as z from 'zod';
import { cel } from './rules.ts';

const MILLIS = { ms: 1, s: 1000, m: 60_000 } as const;
const PATTERN = /^[0-9]{1,6}(ms|s|m)$/;

/** Milliseconds of a duration as policies have it: `500ms`, `10s`, `2m`. NaN for anything else. */
export function millisOf(duration: string): number {
  const unit = PATTERN.exec(duration)?.[1] as keyof typeof MILLIS | undefined;
  return unit === undefined ? NaN : parseInt(duration) * MILLIS[unit];
}

/** A field that holds a duration of `least` to `most`; its messages show `example`. */
export function duration({ least, most, example }: { least: string; most: string; example: string }) {
  const message = `a duration is a whole number of ms, s or m from ${least} to ${most}, e.g. ${example}`;
  return z
    .string()
    .max(8)
    .regex(PATTERN, message)
    .refine((text) => millisOf(text) >= millisOf(least) && millisOf(text) <= millisOf(most), message)
    .meta(
      cel({
        rule: `self.matches('${PATTERN.source}') && duration(self) >= duration('${least}') && duration(self) <= duration('${most}')`,
        message,
      }),
    );
}
