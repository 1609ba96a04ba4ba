import { styleText } from 'node:util';
import { dump } from 'js-yaml';
import { Option } from 'commander';

export type Format = 'table' | 'json' | 'yaml';
export type Color = 'red' | 'yellow' | 'green' | 'bold';
export type Paint = (color: Color, text: string) => string;

export function outputOption(): Option {
  return new Option('-o, --output <format>', 'table is for people').choices(['table', 'json', 'yaml']).default('table');
}

/** @param table for people. */
export function render(format: Format, data: unknown, table: (paint: Paint, width: number) => string): string {
  if (format === 'json') return `${JSON.stringify(data, null, 2)}\n`;
  if (format === 'yaml') return dump(data, { lineWidth: -1, noRefs: true });
  const { isTTY, columns } = process.stdout;
  return table(mayColor(process.stdout, process.env) ? inColor : plain, isTTY ? Math.max(columns, 40) : 80);
}

/** Whether what is written to this stream may be in color: a terminal, and nobody said https://no-color.org. */
export function mayColor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env['NO_COLOR'];
}

const inColor: Paint = (color, text) => styleText(color, text);
export const plain: Paint = (_color, text) => text;

export interface Cell {
  text: string;
  color?: Color;
}

/**
 * Columns as wide as what is in them, with two blanks between, and no line longer than `width`: where there is too little room
 * the widest columns are cut.
 */
export function table(head: string[], rows: Cell[][], paint: Paint, width: number): string[] {
  const all: Cell[][] = [head.map((text) => ({ text, color: 'bold' })), ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.text.length)));
  const gaps = 2 * (head.length - 1);
  for (let over = sum(widths) + gaps - width; over > 0; over--) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest]! <= 8) break;
    widths[widest]!--;
  }
  return all.map((row) =>
    row
      .map(({ text, color }, column) => {
        const cut = text.length > widths[column]! ? `${text.slice(0, widths[column]! - 1)}…` : text;
        const padded = column === row.length - 1 ? cut : cut.padEnd(widths[column]!);
        return color ? paint(color, padded) : padded;
      })
      .join('  '),
  );
}

/** Breaks a text between words; what has no blank stays whole, so that it can be copied. */
export function wrap(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, indent + line];
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
