import { writeSync } from 'node:fs';

// The agent's only way to speak: one line on stderr, each said once. It never uses process.stderr, whose getter would
// create a stream in processes that have none, and never console, which apps replace.
const LEVELS = ['none', 'error', 'warn', 'info', 'debug', 'verbose', 'all'] as const;

const said = new Set<string>();
let failures = 0;

function write(line: string): void {
  try {
    writeSync(2, `tracing-operator: ${line}\n`);
  } catch {
    // stderr is closed or full: nobody listens
  }
}

/** Says a line once in the life of the process. */
export function sayOnce(line: string): void {
  if (said.has(line)) return;
  said.add(line);
  write(line);
}

/** Says a line once if `OTEL_LOG_LEVEL` is debug or more. */
export function debugOnce(line: string): void {
  const level = LEVELS.indexOf((process.env['OTEL_LOG_LEVEL'] ?? '').trim().toLowerCase() as (typeof LEVELS)[number]);
  if (level >= LEVELS.indexOf('debug')) sayOnce(line);
}

/** Counts an exception of our own and says it, by its message, once. */
export function failed(what: string, error: unknown): void {
  failures += 1;
  const message = error instanceof Error ? error.message : String(error);
  sayOnce(`${what}: ${message.split('\n', 1)[0] ?? ''}`);
}

/** How many exceptions of our own were caught so far. */
export function failureCount(): number {
  return failures;
}
