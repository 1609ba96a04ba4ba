import { sayOnce } from './report.ts';

/** The environment variables a process was started with. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A variable's value without surrounding blanks; an empty one counts as not set. */
export function text(env: Environment, ...names: string[]): string | undefined {
  for (const name of names) {
    const value = env[name]?.trim();
    if (value) return value;
  }
  return undefined;
}

/** A variable as a number of at least `least`; anything else is said once and counts as not set. */
export function count(env: Environment, fallback: number, least: number, ...names: string[]): number {
  const value = text(env, ...names);
  if (value === undefined) return fallback;
  const number = Number(value);
  if (Number.isFinite(number) && number >= least) return number;
  sayOnce(`${names.join(' or ')}: "${value}" is not a number of at least ${least}: using ${fallback}`);
  return fallback;
}

/** A variable as true or false. */
export function flag(env: Environment, name: string): boolean {
  return text(env, name)?.toLowerCase() === 'true';
}

/** A comma-separated list. */
export function list(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** `key=value,key=value` with percent-encoded values, as in OTEL_RESOURCE_ATTRIBUTES and OTEL_EXPORTER_OTLP_HEADERS. */
export function pairs(value: string | undefined): Record<string, string> {
  const result: Record<string, string> = {};
  for (const item of list(value)) {
    const at = item.indexOf('=');
    if (at <= 0) continue;
    const raw = item
      .slice(at + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1');
    result[item.slice(0, at).trim()] = decode(raw);
  }
  return result;
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
