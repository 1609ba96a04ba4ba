import type { Paint } from '../output.ts';
import type { Problem, Wish } from './problem.ts';

/** What there is to say about a workload; `-o json` and `-o yaml` write it as it is. */
export interface Explanation {
  /** `Deployment shop/order` */
  workload: string;
  /** From who asks to what the agents say. */
  sections: { title: string; lines: string[] }[];
  problems: Problem[];
  /** What is on its way and takes its time: no problem yet. */
  underWay: string[];
  /** What keeps it from being traced because somebody wants it so: no problem. */
  wishes: Wish[];
}

/** An explanation for people. */
export function layOut({ workload, sections, problems, underWay, wishes }: Explanation, paint: Paint): string {
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
  const coming =
    underWay.length > 0 ? [paint('yellow', 'On its way:'), ...underWay.map((text) => `  ${text}`), ''] : [];
  // Who asks has a section of its own.
  const meant = wishes.map(
    ({ link, text, to, next }) =>
      `${link === 'wanted' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}. `}${to}: ${next}`,
  );
  return [paint('bold', workload), '', ...body, '', ...coming, ...found, ...meant, ''].join('\n');
}
