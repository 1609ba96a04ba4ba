import { styleText } from 'node:util';
import { formatDuration } from '../cluster/progress.ts';
import { mayColor } from '../../cli/output.ts';

const HEARTBEAT_MS = 10_000;

/** One of the demo's stages failed; `look` says where to look next. */
export class StageError extends Error {
  readonly look: readonly string[];

  constructor(message: string, look: readonly string[], options: ErrorOptions) {
    super(message, options);
    this.name = 'StageError';
    this.look = look;
  }
}

export interface Stage<T> {
  title: string;
  /** How long it usually takes, in words. */
  usually: string;
  /** @param now takes what is being done or waited for, for people who wonder. */
  work: (now: (what: string) => void) => Promise<T>;
  /** Commands that say more, should it fail. */
  look: readonly string[];
}

/** Runs one numbered stage: says what begins, how long it usually takes and how long it took. */
export async function stage<T>(number: number, of: number, { title, usually, work, look }: Stage<T>): Promise<T> {
  const began = performance.now();
  say(`\n${bold(`[${number}/${of}] ${title}`)} (usually ${usually})`);
  let what = '';
  const passed = () => `${formatDuration(performance.now() - began)}${what && `: ${what}`}`;
  const heartbeat = setInterval(() => say(`  … ${passed()}`), HEARTBEAT_MS);
  try {
    const result = await work((now) => (what = now));
    say(`[${number}/${of}] done in ${formatDuration(performance.now() - began)}`);
    return result;
  } catch (error) {
    const took = formatDuration(performance.now() - began);
    throw new StageError(`[${number}/${of}] ${title}: failed after ${took}`, look, { cause: error });
  } finally {
    clearInterval(heartbeat);
  }
}

/** One line for the person who watches, where the progress of the cluster goes too. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Bold where the stream is a terminal. */
export function bold(text: string, stream: NodeJS.WriteStream = process.stderr): string {
  return mayColor(stream, process.env) ? styleText('bold', text, { validateStream: false }) : text;
}
