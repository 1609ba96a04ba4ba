// https://opentelemetry.io/docs/specs/otel/logs/data-model/#severity-fields, and its appendix for syslog's names.
const BY_NAME: Record<string, number> = {
  ...{ silly: 1, trace: 1, input: 1, verbose: 6, prompt: 5, debug: 5, http: 7 },
  ...{ info: 9, data: 9, help: 9, notice: 10, warn: 13, warning: 13, error: 17, crit: 18, alert: 19 },
  ...{ fatal: 21, emerg: 21 },
};

/** Of a level's name; 0 for one that nobody has defined. */
export function severityOfName(level: string): number {
  return Object.hasOwn(BY_NAME, level) ? BY_NAME[level]! : 0;
}

/** Of a level's number as bunyan and pino have them: 10 is trace, 60 is fatal, and there may be some in between. */
export function severityOfNumber(level: number): number {
  if (!(level >= 10)) return 1;
  if (level >= 60) return 21;
  // Four of OpenTelemetry's for each ten.
  return 1 + Math.floor(((level - 10) * 4) / 10);
}
