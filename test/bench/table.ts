import type { Result } from './results.ts';

const COLUMNS = ['ours', 'reference', 'ratio'] as const;

/** Figures as lines of text: name, ours, reference, ratio, unit. */
export function table(results: readonly Result[]): string {
  const rows = [
    ['name', ...COLUMNS, 'unit'],
    ...results.map((result) => [result.name, ...COLUMNS.map((column) => String(result[column])), result.unit]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  // Names and units from the left, numbers from the right.
  const cell = (text: string, column: number) =>
    column === 0 || column === COLUMNS.length + 1 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return rows.map((row) => `${row.map(cell).join('  ').trimEnd()}\n`).join('');
}
