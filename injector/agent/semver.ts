// Whether a version is in a range, for the ranges that instrumentations write. The full implementation of
// @opentelemetry/instrumentation takes milliseconds of start-up to compile and run; it still decides what is not plain.

type Triple = [number, number, number];

const VERSION = /^(\d+)\.(\d+)\.(\d+)(?:\+.*)?$/;
const COMPARATOR = /^(>=|<=|>|<|\^|~|=)?\s*v?(\d+)(?:\.(\d+))?(?:\.(\d+))?$/;

/** True or false where both are plain; undefined where the full implementation has to decide. */
export function satisfiesPlainly(version: string, range: string): boolean | undefined {
  const parts = VERSION.exec(version);
  if (parts === null) return undefined;
  if (range === '*') return true;
  const given: Triple = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  for (const text of range.replaceAll(/(>=|<=|>|<)\s+/g, '$1').split(' ')) {
    const bounds = boundsOf(text);
    if (bounds === undefined) return undefined;
    if (compare(given, bounds.from) < 0 || (bounds.below && compare(given, bounds.below) >= 0)) return false;
  }
  return true;
}

/** A comparator as a half-open range; a version cut short stands for all it begins. */
function boundsOf(text: string): { from: Triple; below?: Triple } | undefined {
  const match = COMPARATOR.exec(text);
  if (match === null) return undefined;
  const [, operator = '', a = '', b, c] = match;
  const from: Triple = [Number(a), Number(b ?? 0), Number(c ?? 0)];
  const [major, minor, patch] = from;
  const next: Triple =
    b === undefined ? [major + 1, 0, 0] : c === undefined ? [major, minor + 1, 0] : [major, minor, patch + 1];
  switch (operator) {
    case '>=':
      return { from };
    case '<':
      return { from: [0, 0, 0], below: from };
    case '^':
      if (major > 0 || b === undefined) return { from, below: [major + 1, 0, 0] };
      return minor > 0 || c === undefined ? { from, below: [0, minor + 1, 0] } : { from, below: [0, 0, patch + 1] };
    case '~':
      return { from, below: b === undefined ? [major + 1, 0, 0] : [major, minor + 1, 0] };
    case '>':
      return { from: next };
    case '<=':
      return { from: [0, 0, 0], below: next };
    default:
      return { from, below: next };
  }
}

function compare(a: Triple, b: Triple): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
