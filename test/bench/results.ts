import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/** One figure: ours beside what it is compared with, measured in the same run. */
export interface Result {
  /** E.g. `agent.startup.small`; a variant (a Node line) follows in brackets. */
  name: string;
  unit: string;
  ours: number;
  reference: number;
  /** ours / reference. */
  ratio: number;
  runs: number;
}

const FILE = new URL('./results.json', import.meta.url);

/** What test/bench/results.json holds. */
export function readResults(file: URL | string = FILE): Result[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Result[]) : [];
}

/** Adds results to test/bench/results.json; those of the same name are replaced, others stay. */
export function writeResults(results: Result[], file: URL | string = FILE): void {
  const before = readResults(file);
  const names = new Set(results.map((result) => result.name));
  const merged = [...before.filter((result) => !names.has(result.name)), ...results];
  merged.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const next = `${typeof file === 'string' ? file : file.pathname}.${process.pid}`;
  writeFileSync(next, `${JSON.stringify(merged, null, 2)}\n`);
  renameSync(next, file);
}

/** A result from two numbers, rounded to what the measurement is worth. */
export function result(name: string, unit: string, ours: number, reference: number, runs: number): Result {
  return { name, unit, ours: round(ours), reference: round(reference), ratio: round(ours / reference), runs };
}

/** The middle value; the mean of the two middle ones for an even count. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** The value below which a quarter lie, and the one above which a quarter lie: how far a median can be trusted. */
export function quartiles(values: number[]): [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)] ?? NaN;
  return [at(0.25), at(0.75)];
}

/** The value below which this share of the values lies. */
export function percentile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** The line through points of x and y by least squares: its rise, in units of y for one of x. */
export function slope(points: [number, number][]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return above / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
