import type { Paint } from '../output.ts';
import type { Problem } from './problem.ts';

/** What there is to say about a workload; `-o json` and `-o yaml` write it as it is. */
export interface Explanation {
  /** `Deployment shop/order` */
  workload: string;
  /** From who asks to what the agents say. */
  sections: { title: string; lines: string[] }[];
  problems: Problem[];
  /** What to do where there is no problem and nobody asks. */
  hint?: string;
}

/** An explanation for people. */
export function layOut({ workload, sections, problems, hint }: Explanation, paint: Paint): string {
  const width = Math.max(...sections.map(({ title }) => title.length)) + 3;
  const body = sections.flatMap(({ title, lines }) =>
    lines.map(
      (line, i) =>
        (i === 0 ? paint('bold', `${title}:`) : '') + ' '.repeat(width - (i === 0 ? title.length + 1 : 0)) + line,
    ),
  );
  const found =
    problems.length === 0
      ? [paint('green', 'No problem found.')]
      : [
          paint('red', 'Problems:'),
          ...problems.flatMap(({ text, next }, i) => [`  ${i + 1}. ${text}`, `     ${next}`]),
        ];
  return [paint('bold', workload), '', ...body, '', ...found, ...(hint === undefined ? [] : [hint]), ''].join('\n');
}
